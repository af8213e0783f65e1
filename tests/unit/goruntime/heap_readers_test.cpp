#include <catch2/catch.hpp>

#include "goruntime/object_lookup.h"
#include "goruntime/readers.h"
#include "readers_world.h"

namespace gotrace::goruntime {
namespace {

using testing::Address;
using testing::Collector;
using testing::Goroutines;
using testing::World;

struct Counts {
  std::uint64_t allocs, frees, pending_allocs, pending_frees;
};

class Profile {
 public:
  explicit Profile(World& world) : world_(world), head_(world.make(8)), rate_(world.make(8)) {
    world.set_global("mbuckets", head_);
    world.set_global("MemProfileRate", rate_);
    set_rate(4096);
  }
  void set_rate(std::uint64_t rate) { world_.put<std::uint64_t>(rate_, rate); }
  Address add(std::uint64_t size, const Counts& counts) {
    const auto& layout = world_.layout().bucket;
    const Address bucket = world_.make(layout.size + 8 + world_.layout().memRecord.size);
    world_.put_field(bucket, layout.typ, 1);
    world_.put_field(bucket, layout.size_, size);
    world_.put_field(bucket, layout.nstk, 1);
    world_.put_field(bucket, layout.allnext, newest_);
    world_.put<Address>(bucket + layout.size, world_.table().entry("main.main") + 4);
    set(bucket, counts);
    newest_ = bucket;
    world_.put<Address>(head_, bucket);
    return bucket;
  }
  void set(Address bucket, const Counts& counts) {
    const auto& cycle = world_.layout().memRecordCycle;
    const auto& record = world_.layout().memRecord;
    const Address base = bucket + world_.layout().bucket.size + 8;
    world_.put_field(base + record.active.offset, cycle.allocs, counts.allocs);
    world_.put_field(base + record.active.offset, cycle.frees, counts.frees);
    world_.put_field(base + record.future.offset + 2 * cycle.size, cycle.allocs, counts.pending_allocs);
    world_.put_field(base + record.future.offset + cycle.size, cycle.frees, counts.pending_frees);
  }

 private:
  World& world_;
  Address head_;
  Address rate_;
  Address newest_ = 0;
};

TEST_CASE("buckets are sent when they are new or changed") {
  const int minor = GENERATE(15, 24, 27);
  World world(minor);
  Collector sent;
  Symbolizer symbolizer(world, sent);
  Profile profile(world);
  const Address first = profile.add(64, {10, 4, 3, 1});
  (void)profile.add(128, {1, 1, 0, 0});
  const auto reader = make_heap_profile_reader(world, symbolizer, sent);
  REQUIRE(sent.source("heap-profile").status == SourceStatus::on);
  REQUIRE(reader->look(5) == Look::ok);
  const auto buckets = sent.all<HeapBucket>();
  REQUIRE(buckets.size() == 2);
  const auto& bucket = buckets[0].size == 64 ? buckets[0] : buckets[1];
  CHECK(bucket.allocs == 10);
  CHECK(bucket.frees == 4);
  CHECK(bucket.pending_allocs == 3);
  CHECK(bucket.pending_frees == 1);
  CHECK(bucket.stack != StackId::none);
  REQUIRE(sent.all<HeapProfile>().size() == 1);
  CHECK(sent.all<HeapProfile>()[0].rate == 4096);
  CHECK(sent.all<HeapProfile>()[0].buckets == 2);

  sent.records.clear();
  REQUIRE(reader->look(6) == Look::ok);
  CHECK(sent.all<HeapBucket>().empty());
  profile.set(first, {13, 5, 0, 0});
  (void)profile.add(256, {7, 0, 0, 0});
  REQUIRE(reader->look(7) == Look::ok);
  REQUIRE(sent.all<HeapBucket>().size() == 2);
  CHECK(sent.all<HeapProfile>().back().buckets == 3);
}

TEST_CASE("a bucket that freed more than it allocated is torn") {
  World world;
  Collector sent;
  Symbolizer symbolizer(world, sent);
  Profile profile(world);
  (void)profile.add(64, {1, 2, 0, 0});
  const auto reader = make_heap_profile_reader(world, symbolizer, sent);
  REQUIRE(reader->look(1) == Look::ok);
  CHECK(sent.all<HeapBucket>().empty());
  REQUIRE(sent.all<Loss>().size() == 1);
  CHECK(sent.all<Loss>()[0].cause == "torn_buckets");
}

TEST_CASE("a list of buckets that leads in a circle, or to nothing, ends") {
  World world;
  Collector sent;
  Symbolizer symbolizer(world, sent);
  Profile profile(world);
  const Address last = profile.add(64, {1, 0, 0, 0});
  const Address first = profile.add(128, {1, 0, 0, 0});
  const Address next = GENERATE(true, false) ? first : Address{0x9000};
  world.put_field(last, world.layout().bucket.allnext, next);
  const auto reader = make_heap_profile_reader(world, symbolizer, sent);
  CHECK(reader->look(1) == Look::ok);
  REQUIRE_FALSE(sent.all<Loss>().empty());
}

TEST_CASE("a profile that is off is said to be, and noticed when it comes on") {
  World world;
  Collector sent;
  Symbolizer symbolizer(world, sent);
  Profile profile(world);
  profile.set_rate(0);
  const auto reader = make_heap_profile_reader(world, symbolizer, sent);
  CHECK(sent.source("heap-profile").status == SourceStatus::off);
  CHECK(reader->look(1) == Look::unavailable);
  profile.set_rate(524288);
  CHECK(reader->look(2) == Look::ok);
  CHECK(sent.all<SourceState>().back().status == SourceStatus::on);
}

// memstats, gcController, work and mheap_ of a process that finished `cycles` collections.
struct Heap {
  World& world;
  Address stats, controller, work, heap;
  explicit Heap(World& w)
      : world(w),
        stats(w.make(w.layout().mstats.size)),
        controller(w.make(w.layout().gcControllerState.size)),
        work(w.make(16)),
        heap(w.make(w.layout().mheap.size)) {
    w.set_global("memstats", stats);
    w.set_global("gcController", controller);
    w.set_global("work.cycles", work);
    w.set_global("mheap_", heap);
  }
  void collections(std::uint32_t begun, std::uint32_t done) const {
    world.put<std::uint32_t>(work, begun);
    world.put_field(stats, world.layout().mstats.numgc, done);
    world.put_field(heap, world.layout().mheap.sweepgen, 2 * done);
  }
  void allocated(std::uint32_t generation, std::uint32_t size_class, std::uint64_t count) const {
    const auto& delta = world.layout().heapStatsDelta;
    world.put<std::uint64_t>(stats + world.layout().mstats.heapStats_stats.offset + generation * delta.size +
                                 delta.smallAllocCount.offset + 8 * size_class,
                             count);
  }
};

TEST_CASE("the allocator's counters are the sum of the three generations") {
  World world(GENERATE(19, 27));
  Collector sent;
  Goroutines goroutines(world);
  const Heap heap(world);
  heap.collections(3, 3);
  heap.allocated(0, 5, 10);
  heap.allocated(1, 5, 200);
  heap.allocated(2, 5, 3000);
  world.put_field(heap.controller, world.layout().gcControllerState.heapLive, 777);
  const auto reader = make_heap_counter_reader(world, sent);
  REQUIRE(sent.source("heap-counters").status == SourceStatus::on);
  REQUIRE(reader->look(9) == Look::ok);
  const auto counters = sent.all<HeapCounters>().at(0);
  CHECK(counters.time_ns == 9);
  CHECK(counters.by_class);
  CHECK(counters.allocated[5] == 3210);
  CHECK(counters.allocated[6] == 0);
  CHECK(counters.gc_cycles == 3);
  CHECK_FALSE(counters.gc_running);
  CHECK(counters.heap_live_bytes == 777);
  CHECK_FALSE(counters.swept);  // no sweeper was found that sleeps
  heap.collections(4, 3);
  REQUIRE(reader->look(10) == Look::ok);
  CHECK(sent.all<HeapCounters>().back().gc_running);
}

TEST_CASE("counters that go back are not believed") {
  World world;
  Collector sent;
  Goroutines goroutines(world);
  const Heap heap(world);
  heap.allocated(1, 5, 200);
  const auto reader = make_heap_counter_reader(world, sent);
  REQUIRE(reader->look(1) == Look::ok);
  heap.allocated(1, 5, 100);
  CHECK(reader->look(2) == Look::unavailable);
  CHECK(sent.all<HeapCounters>().size() == 1);
}

TEST_CASE("the sweep is complete when its goroutine sleeps") {
  World world;
  Collector sent;
  Goroutines goroutines(world);
  const Heap heap(world);
  const Address sweeper = goroutines.add(3, 6);
  world.put_field(sweeper, world.layout().g.startpc, world.table().entry("runtime.bgsweep"));
  const auto reader = make_heap_counter_reader(world, sent);
  REQUIRE(reader->look(1) == Look::ok);
  CHECK(sent.all<HeapCounters>().back().swept);
  world.put_field(sweeper, world.layout().g.atomicstatus, 1);
  REQUIRE(reader->look(2) == Look::ok);
  CHECK_FALSE(sent.all<HeapCounters>().back().swept);
}

TEST_CASE("counters of another layout are refused") {
  World world;
  Collector sent;
  const Heap heap(world);
  heap.collections(9, 3);
  const auto reader = make_heap_counter_reader(world, sent);
  CHECK(sent.source("heap-counters").status == SourceStatus::failed);
  CHECK(reader->look(1) == Look::unavailable);
}

// A span of 64-byte objects in a world's memory, known to mheap_.arenas by the addresses it really has.
TEST_CASE("span numbers that do not fit each other are refused") {
  SpanView span{.base = 0xc000000000, .pages = 1, .element_size = 64, .elements = 128, .state = 1};
  CHECK(span.in_use());
  SECTION("too many elements") { span.elements = 129; }
  SECTION("no element size") { span.element_size = 0; }
  SECTION("an object larger than its span") { span.element_size = 8200; }
  SECTION("not of the heap") { span.state = 2; }
  SECTION("overflowing") { span.pages = 1ULL << 60; }
  CHECK_FALSE(span.in_use());
}

TEST_CASE("without the heap there is no lookup, and it says so") {
  World world;
  Collector sent;
  const auto lookup = make_object_lookup(world, sent);
  CHECK_FALSE(lookup->available());
  CHECK(sent.source("object-fates").status == SourceStatus::failed);
  CHECK_FALSE(lookup->find(0xc000000000));
}

}  // namespace
}  // namespace gotrace::goruntime
