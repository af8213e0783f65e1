// Fates: follows one object of each tracked allocation sample from GC to GC. Pure: it is told what was seen.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "probe/spans.h"
#include "records/record.h"

namespace gotrace::probe {

class Fates {
 public:
  static constexpr std::size_t kMostTracked = 100'000;

  // `id` rises. The oldest is let go (reported as censored) when there are too many.
  void track(std::uint64_t id, const FirstObject& object);

  using Look = std::function<std::vector<Survival>(std::span<const FirstObject>, std::uint32_t heap_generation)>;
  // Looks at all objects that were not yet seen in this generation (mheap_.sweepgen). To be called often: what was not
  // seen between two GCs is lost from sight.
  void look(std::uint32_t heap_generation, const Look& look);

  // To be called with every HeapCounters, after look(). When a GC has ended and been swept since the last report: what
  // was found since then.
  [[nodiscard]] std::optional<AllocationFates> report(const HeapCounters& counters);

  // Lets go of every second object.
  void thin_out();
  [[nodiscard]] std::size_t tracked() const { return tracked_.size(); }

 private:
  struct Tracked {
    std::uint64_t id = 0;
    FirstObject object;
  };
  void settle(Tracked& tracked, Survival survival, std::uint32_t generation, std::deque<Tracked>& kept);

  std::deque<Tracked> tracked_;
  std::vector<std::uint64_t> dead_;      // not yet reported
  std::vector<std::uint64_t> censored_;  // not yet reported
  std::optional<std::uint32_t> reported_cycle_;
  std::uint32_t idle_cycle_ = 0;
  std::uint64_t idle_ns_ = 0;    // the last time no GC ran, in cycle idle_cycle_
  std::uint64_t before_ns_ = 0;  // the same, one cycle earlier: the mark that ended since began after it
};

}  // namespace gotrace::probe
