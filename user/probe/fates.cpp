#include "probe/fates.h"

namespace gotrace::probe {

void Fates::track(std::uint64_t id, const FirstObject& object) {
  if (tracked_.size() >= kMostTracked) {
    let_go_.push_back(tracked_.front().id);
    tracked_.pop_front();
  }
  tracked_.push_back({id, object});
}

void Fates::settle(AllocationFates& fates, std::span<const Survival> survivals, std::uint32_t generation) {
  std::deque<Tracked> kept;
  for (std::size_t i = 0; i < tracked_.size(); ++i) {
    Tracked& tracked = tracked_[i];
    switch (survivals[i]) {
      case Survival::dead: fates.dead.push_back(tracked.id); break;
      case Survival::unknown: fates.censored.push_back(tracked.id); break;
      case Survival::survived: tracked.object.generation = generation; [[fallthrough]];
      case Survival::unchanged: kept.push_back(tracked); break;
    }
  }
  tracked_ = std::move(kept);
}

std::optional<AllocationFates> Fates::check(const HeapCounters& counters,
                                            std::optional<std::uint32_t> heap_generation, const Look& look) {
  if (!checked_cycle_) checked_cycle_ = counters.gc_cycles;
  const bool ended = counters.gc_cycles != *checked_cycle_;
  const std::uint64_t mark_begin_ns = ended ? before_ns_ : 0;
  const bool ready = ended && counters.swept && !counters.gc_running && heap_generation;
  if (!counters.gc_running) {
    if (counters.gc_cycles != idle_cycle_) before_ns_ = idle_ns_;
    idle_cycle_ = counters.gc_cycles;
    idle_ns_ = counters.time_ns;
  }
  if (!ready) return std::nullopt;
  AllocationFates fates;
  fates.time_ns = counters.time_ns;
  fates.gc_cycle = counters.gc_cycles;
  fates.mark_begin_ns = mark_begin_ns != 0 ? mark_begin_ns : before_ns_;
  std::vector<FirstObject> objects;
  for (const auto& tracked : tracked_) objects.push_back(tracked.object);
  const auto survivals = look(objects, *heap_generation);
  if (survivals.size() != objects.size()) return std::nullopt;
  checked_cycle_ = counters.gc_cycles;
  fates.censored = std::exchange(let_go_, {});
  settle(fates, survivals, *heap_generation);
  return fates;
}

}  // namespace gotrace::probe
