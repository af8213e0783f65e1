#include "probe/fates.h"

#include <utility>

namespace gotrace::probe {

void Fates::track(std::uint64_t id, const FirstObject& object) {
  if (tracked_.size() >= kMostTracked) {
    censored_.push_back(tracked_.front().id);
    tracked_.pop_front();
  }
  tracked_.push_back({id, object});
}

void Fates::settle(Tracked& tracked, Survival survival, std::uint32_t generation, std::deque<Tracked>& kept) {
  switch (survival) {
    case Survival::dead:
      dead_.push_back(tracked.id);
      return;
    case Survival::unknown:
      censored_.push_back(tracked.id);
      return;
    case Survival::survived:
      tracked.object.generation = generation;
      break;
    case Survival::unchanged:
      break;
  }
  kept.push_back(tracked);
}

void Fates::look(std::uint32_t heap_generation, const Look& look) {
  std::vector<FirstObject> objects;
  for (const auto& tracked : tracked_) {
    if (tracked.object.generation != heap_generation) objects.push_back(tracked.object);
  }
  if (objects.empty()) return;
  const auto survivals = look(objects, heap_generation);
  if (survivals.size() != objects.size()) return;
  std::deque<Tracked> kept;
  std::size_t next = 0;
  for (auto& tracked : tracked_) {
    const bool seen = tracked.object.generation == heap_generation;
    settle(tracked, seen ? Survival::unchanged : survivals[next++], heap_generation, kept);
  }
  tracked_ = std::move(kept);
}

void Fates::thin_out() {
  std::deque<Tracked> kept;
  for (std::size_t i = 0; i < tracked_.size(); ++i) {
    if (i % 2 == 0) {
      kept.push_back(tracked_[i]);
    } else {
      censored_.push_back(tracked_[i].id);
    }
  }
  tracked_ = std::move(kept);
}

std::optional<AllocationFates> Fates::report(const HeapCounters& counters) {
  if (!reported_cycle_) reported_cycle_ = counters.gc_cycles;
  if (!counters.gc_running) {
    if (counters.gc_cycles != idle_cycle_) before_ns_ = idle_ns_;
    idle_cycle_ = counters.gc_cycles;
    idle_ns_ = counters.time_ns;
  }
  const bool ended = counters.gc_cycles != *reported_cycle_;
  if (!ended || !counters.swept || counters.gc_running) return std::nullopt;
  reported_cycle_ = counters.gc_cycles;
  return AllocationFates{counters.time_ns, counters.gc_cycles, before_ns_, std::exchange(dead_, {}),
                         std::exchange(censored_, {})};
}

}  // namespace gotrace::probe
