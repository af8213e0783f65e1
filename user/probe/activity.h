// Activity: how often the functions that we would probe are called, by counters that Go's runtime keeps anyway. Reading
// them is free for the target, so that a probe's rate is known before it is paid for.
//
//   newproc          schedt.goidgen: ids, which Ps take in batches of 16
//   gopark           schedt.timeToRun: one in eight times that a goroutine leaves running and comes back
//                    (gTrackingPeriod, runtime/proc.go casgstatus); p.schedtick misses those that inherit a time slice
//   mcache.refill    objects of each size class that refills took, by the objects of a span (memstats.heapStats)
//   mcache.allocLarge, mallocgc   counters of the same
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "goruntime/program.h"
#include "probe/governor.h"
#include "records/record.h"

namespace gotrace::probe {

// Counts so far; nullopt: this version of Go, or this process, does not tell.
struct Activity {
  std::uint64_t time_ns = 0;
  std::optional<double> created;
  std::optional<double> parked;
  std::optional<double> refills;
  std::optional<double> objects;
  std::optional<double> large;  // of these
};

// The scheduler's part; read from the live process.
void read_scheduler(const goruntime::Program& program, Activity& into);
// The allocator's part. `sizes`: TargetInfo::size_classes.
void count_allocations(const HeapCounters& counters, const std::vector<std::uint32_t>& sizes, Activity& into);

// Counts to rates, by group, smoothed over a few hundred ms. Pure.
class ActivityRates {
 public:
  // In order of time; what comes sooner than 30 ms after the last is passed over.
  void observe(const Activity& activity);
  [[nodiscard]] std::optional<double> per_second(Group group) const { return rates_[static_cast<std::size_t>(group)]; }

 private:
  std::optional<Activity> last_;
  std::array<std::optional<double>, kGroups> rates_{};
};

}  // namespace gotrace::probe
