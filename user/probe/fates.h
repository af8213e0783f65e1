// Fates: follows one object of each tracked allocation sample from GC to GC.
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

  // `id` rises. The oldest is let go (and reported as censored) when there are too many.
  void track(std::uint64_t id, const FirstObject& object);

  using Look = std::function<std::vector<Survival>(std::span<const FirstObject>, std::uint32_t heap_generation)>;
  // To be called with every HeapCounters. When a GC has ended and been swept since the last call, looks at all tracked
  // objects and says what became of them. `heap_generation`: mheap_.sweepgen, read after the counters.
  [[nodiscard]] std::optional<AllocationFates> check(const HeapCounters& counters,
                                                     std::optional<std::uint32_t> heap_generation, const Look& look);
  [[nodiscard]] std::size_t tracked() const { return tracked_.size(); }

 private:
  struct Tracked {
    std::uint64_t id = 0;
    FirstObject object;
  };
  void settle(AllocationFates& fates, std::span<const Survival> survivals, std::uint32_t generation);

  std::deque<Tracked> tracked_;
  std::vector<std::uint64_t> let_go_;
  std::optional<std::uint32_t> checked_cycle_;
  std::uint32_t idle_cycle_ = 0;
  std::uint64_t idle_ns_ = 0;    // the last time no GC ran, in cycle idle_cycle_
  std::uint64_t before_ns_ = 0;  // the same, one cycle earlier: the mark that ended since began after it
};

}  // namespace gotrace::probe
