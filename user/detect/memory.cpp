#include "detect/memory.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "detect/heap_parts.h"

namespace gotrace::detect {
namespace {

constexpr double kFarAway = 30.0 * 86400;  // a limit reached later than this is not in sight

std::uint64_t clip(std::uint64_t part, std::uint64_t& rest) {
  const std::uint64_t taken = std::min(part, rest);
  rest -= taken;
  return taken;
}

// Adds up to RES: each part takes what is left of it at most.
void split_rss(const MemoryFigures& figures, const HeapCounters* heap, std::map<std::string, std::uint64_t>& parts) {
  std::uint64_t rest = figures.rss_bytes;
  parts["files"] = clip(figures.rss_file_bytes, rest);
  parts["shared_memory"] = clip(figures.rss_shmem_bytes, rest);
  const HeapCounters none;
  const HeapCounters& counters = heap != nullptr ? *heap : none;
  const std::uint64_t live = counters.heap_marked_bytes;
  const std::uint64_t spans = counters.heap_in_use_bytes + counters.heap_free_bytes;
  parts["heap_live"] = clip(live, rest);
  parts["stacks"] = clip(counters.stacks_bytes, rest);
  parts["runtime"] = clip(counters.runtime_bytes, rest);
  parts["heap_garbage_or_idle"] = clip(spans > live ? spans - live : 0, rest);
  parts["other"] = rest;
}

std::optional<std::uint64_t> outside_heap(const MemoryFigures& figures, const HeapCounters& heap) {
  const std::uint64_t known = heap.heap_in_use_bytes + heap.heap_free_bytes + heap.stacks_bytes + heap.runtime_bytes;
  const std::uint64_t anonymous = figures.rss_anon_bytes;
  return anonymous > known ? anonymous - known : 0;
}

Growth anonymous_growth(const std::vector<MemoryFigures>& figures) {
  std::vector<Step> steps;
  for (std::size_t i = 1; i < figures.size(); ++i) {
    steps.push_back(
        {static_cast<double>(figures[i].time_ns - figures[i - 1].time_ns) / 1e9,
         static_cast<double>(figures[i].rss_anon_bytes) - static_cast<double>(figures[i - 1].rss_anon_bytes), 0});
  }
  return judge_steps(merge_steps(steps, 20));
}

// GOGC lets the heap reach live x (1 + GOGC/100), so that is how fast resident memory follows the live heap.
double resident_per_live(const model::Model& model) {
  const int percent = model.target() ? model.target()->gogc_percent.value_or(100) : 100;
  return percent < 0 ? 1 : 1 + percent / 100.0;
}

void forecast(LimitForecast& limit, const Rate& growth) {
  limit.growth_bytes_per_second = growth.value;
  if (limit.bytes <= limit.used_bytes || growth.high <= 0) return;
  const double room = static_cast<double>(limit.bytes - limit.used_bytes);
  const double soonest = room / growth.high;
  if (soonest > kFarAway) return;
  limit.seconds_low = soonest;
  if (growth.low > 0 && room / growth.low <= kFarAway) limit.seconds_high = room / growth.low;
}

void add_limits(const model::Model& model, const Rate& resident, const Rate& live, bool growing, Memory& memory) {
  for (const MemoryLimit& limit : memory.last->limits) {
    LimitForecast out{limit.kind, limit.path, limit.bytes, limit.used_bytes, {}, {}, {}};
    if (growing) forecast(out, resident);
    memory.limits.push_back(out);
  }
  const auto& target = model.target();
  if (target && target->gomemlimit_bytes && *target->gomemlimit_bytes > 0 &&
      *target->gomemlimit_bytes < std::numeric_limits<std::int64_t>::max()) {
    LimitForecast out{LimitKind::gomemlimit,
                      "",
                      static_cast<std::uint64_t>(*target->gomemlimit_bytes),
                      memory.heap_live_bytes.value_or(0),
                      {},
                      {},
                      {}};
    if (growing) forecast(out, live);
    memory.limits.push_back(out);
  }
  std::stable_sort(memory.limits.begin(), memory.limits.end(), [](const LimitForecast& a, const LimitForecast& b) {
    const auto key = [](const LimitForecast& limit) {
      return std::pair(limit.seconds_low.value_or(1e18),
                       limit.bytes > limit.used_bytes ? limit.bytes - limit.used_bytes : 0);
    };
    return key(a) < key(b);
  });
}

double stacks_growth(const Judgements& judgements) {
  double sum = 0;
  for (const SiteJudgement& site : judgements.goroutines.sites) {
    if (site.growth.trend != Trend::growing) continue;
    sum += site.growth.rate.value * 2048;  // the smallest stack (runtime/stack.go, stackMin)
  }
  return sum;
}

void add_heap(const model::Model& model, const Judgements& judgements, Memory& memory) {
  const auto& heap = model.heap();
  if (!heap.last()) return;
  const HeapCounters& last = *heap.last();
  memory.heap_live_bytes = last.heap_marked_bytes;
  memory.heap_goal_bytes = last.heap_goal_bytes;
  memory.gc_cpu_fraction = last.gc_cpu_fraction;
  memory.stacks_bytes = last.stacks_bytes;
  const auto& points = heap.points();
  constexpr std::size_t kShown = 4;
  for (std::size_t i = 0; i < std::min(kShown, points.size()); ++i) {
    const std::size_t index = points.size() <= kShown ? i : i * (points.size() - 1) / (kShown - 1);
    memory.heap_after_gc_bytes.push_back(
        static_cast<std::uint64_t>(live_bytes(points[index], model.target()->size_classes)));
  }
  if (judgements.heap.heap.trend != Trend::unknown) {
    memory.heap_growth = judgements.heap.heap.rate;
    memory.heap_trend = judgements.heap.heap.trend;
  }
}

}  // namespace

Memory judge_memory(const model::Model& model, const Judgements& judgements) {
  Memory memory;
  add_heap(model, judgements, memory);
  if (model.memory().empty()) return memory;
  memory.last = model.memory().back();
  const HeapCounters* heap = model.heap().last() ? &*model.heap().last() : nullptr;
  split_rss(*memory.last, heap, memory.rss_parts);
  if (memory.last->machine_bytes > 0)
    memory.mem_percent =
        100.0 * static_cast<double>(memory.last->rss_bytes) / static_cast<double>(memory.last->machine_bytes);
  if (heap != nullptr) memory.outside_heap_bytes = outside_heap(*memory.last, *heap);
  const Growth anonymous = anonymous_growth(model.memory());
  Rate live;
  bool growing = false;
  for (const SiteGrowth& site : judgements.heap.sites) {
    if (site.call_site.trend != Trend::growing) continue;
    growing = true;
    live.value += site.call_site.growth_bytes->value;
    live.low += site.call_site.growth_bytes->low;
    live.high += site.call_site.growth_bytes->high;
  }
  const double stacks = stacks_growth(judgements);
  growing = growing || stacks > 0;
  const double factor = resident_per_live(model);
  const Rate resident{live.value * factor + stacks, live.low + stacks, live.high * factor + stacks};
  memory.outside_heap_trend = anonymous.trend == Trend::growing && growing ? Trend::unknown : anonymous.trend;
  if (anonymous.trend != Trend::unknown && !growing) memory.outside_heap_growth = anonymous.rate;
  add_limits(model, resident, live, growing, memory);
  return memory;
}

}  // namespace gotrace::detect
