#include "goruntime/layouts.h"

#include <catch2/catch.hpp>
#include <set>
#include <string>

namespace gotrace::goruntime {

TEST_CASE("there is a row for each release that was measured") {
  std::vector<int> minors;
  for (const Layout& row : layouts()) {
    CHECK(row.go_version == "1." + std::to_string(row.minor));
    minors.push_back(row.minor);
  }
  CHECK(minors == std::vector<int>{15, 19, 21, 22, 23, 24, 25, 26, 27});
}

TEST_CASE("the nearest row is taken and not called exact") {
  const auto row = [](int minor) {
    bool exact = false;
    const int taken = layout_for(minor, exact).minor;
    return std::pair(taken, exact);
  };
  for (const Layout& layout : layouts()) CHECK(row(layout.minor) == std::pair(layout.minor, true));
  CHECK(row(16) == std::pair(15, false));
  CHECK(row(17) == std::pair(19, false));
  CHECK(row(18) == std::pair(19, false));
  CHECK(row(20) == std::pair(21, false));
  CHECK(row(28) == std::pair(27, false));
  CHECK(row(99) == std::pair(27, false));
  CHECK(row(2) == std::pair(15, false));
}

TEST_CASE("fields lie inside of their structs, and those that every version has are there") {
  for (const Layout& row : layouts()) {
    CAPTURE(row.go_version);
    for (const Field& field :
         {row.g.goid, row.g.atomicstatus, row.g.waitreason, row.g.waitsince, row.g.gopc, row.g.startpc, row.g.sched_sp,
          row.g.sched_pc, row.g.sched_bp, row.g.stack_lo, row.g.stack_hi, row.g.waiting}) {
      CHECK(field.present());
      CHECK(field.end() <= row.g.size);
    }
    for (const Field& field : {row.hchan.qcount, row.hchan.dataqsiz, row.hchan.buf, row.hchan.closed}) {
      CHECK(field.present());
      CHECK(field.end() <= row.hchan.size);
    }
    for (const Field& field : {row.mspan.startAddr, row.mspan.npages, row.mspan.freeindex, row.mspan.allocBits,
                               row.mspan.sweepgen, row.mspan.spanclass, row.mspan.elemsize}) {
      CHECK(field.present());
      CHECK(field.end() <= row.mspan.size);
    }
    CHECK(row.bucket.size == 48);
    CHECK(row.semTable.size == 251 * 64);
    CHECK(row.work.cycles.present());
    CHECK(row.mheap.arenas.present());
  }
}

TEST_CASE("a few offsets, by hand from the sources of the releases") {
  bool exact = false;
  // runtime/runtime2.go, type g: trackingSeq is absent in 1.15.
  CHECK_FALSE(layout_for(15, exact).g.trackingSeq.present());
  CHECK(layout_for(19, exact).g.trackingSeq.offset == 189);
  CHECK(layout_for(24, exact).g.trackingSeq.offset == 199);
  CHECK_FALSE(layout_for(19, exact).g.parentGoid.present());
  CHECK(layout_for(21, exact).g.parentGoid.present());
  // runtime/mprof.go, type memRecord: three future cycles, of two counters only from 1.27 on.
  CHECK(layout_for(26, exact).memRecord.size == 128);
  CHECK(layout_for(27, exact).memRecord.size == 64);
  CHECK(layout_for(27, exact).memRecord.future.count == 3);
  CHECK(layout_for(27, exact).memRecord.future.element_size() == 16);
  // runtime/mstats.go, type heapStatsDelta (1.16 and later).
  CHECK(layout_for(15, exact).heapStatsDelta.size == 0);
  CHECK(layout_for(24, exact).heapStatsDelta.smallAllocCount.count == 68);
  CHECK(layout_for(24, exact).consistentHeapStats.stats.element_size() == layout_for(24, exact).heapStatsDelta.size);
}

}  // namespace gotrace::goruntime
