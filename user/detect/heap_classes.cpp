// Growth of the size classes: the allocator's own counters after each GC, exact.
#include <algorithm>
#include <cmath>
#include <optional>

#include "detect/heap_parts.h"

namespace gotrace::detect {
namespace {

constexpr std::size_t kEnoughSteps = 5;   // GCs, less one, for judging their steps
constexpr double kLeastAllocations = 20;  // to say what survives
constexpr double kNotableShare = 0.05;    // of the live heap: less, over so few GCs, is what any young heap settles by
constexpr double kNotableBytes = 16 << 20;  // unless two intervals and more agree: no large heap settles by so much
constexpr double kMostSurvive = 0.6;        // between each two GCs

double seconds(std::uint64_t from_ns, std::uint64_t to_ns) {
  return to_ns > from_ns ? static_cast<double>(to_ns - from_ns) / 1e9 : 0;
}

std::vector<Step> steps_between(const std::vector<model::GcPoint>& points, std::size_t size_class, double unit) {
  std::vector<Step> steps;
  for (std::size_t i = 1; i < points.size(); ++i) {
    steps.push_back({seconds(points[i - 1].time_ns, points[i].time_ns),
                     (points[i].live[size_class] - points[i - 1].live[size_class]) * unit, 0});
  }
  return steps;
}

double allocated(const HeapCounters& counters, std::size_t size_class) {
  return static_cast<double>(size_class == 0 ? counters.large_allocated_bytes : counters.allocated[size_class]);
}

// Was as much allocated, by time, before the first GC of the window, between GCs and after the last one? A burst at
// start-up that one GC sees alive looks like a leak otherwise. Stretches too short or too thin to tell make it
// unsteady.
bool allocates_steadily(const model::HeapTable& heap, std::size_t size_class, double unit) {
  struct Mark {
    std::uint64_t time_ns;
    double allocated;
  };
  std::vector<Mark> marks = {{heap.first()->time_ns, allocated(*heap.first(), size_class)}};
  for (const auto& point : heap.points()) marks.push_back({point.time_ns, point.allocated[size_class]});
  marks.push_back({heap.last()->time_ns, allocated(*heap.last(), size_class)});
  const double mean = (marks.back().allocated - marks.front().allocated) /
                      std::max(1e-9, seconds(marks.front().time_ns, marks.back().time_ns));
  int judged = 0;
  for (std::size_t i = 1; i < marks.size(); ++i) {
    const double stretch = seconds(marks[i - 1].time_ns, marks[i].time_ns);
    const double made = marks[i].allocated - marks[i - 1].allocated;
    if (stretch < 1) continue;
    if (made < kLeastAllocations * (size_class == 0 ? 8192 : 1) || made * unit < kMaterialBytesPerSecond) return false;
    if (made / stretch < 0.5 * mean || made / stretch > 2 * mean) return false;
    ++judged;
  }
  return judged >= 2;
}

double notable_bytes(const std::vector<model::GcPoint>& points, const std::vector<std::uint32_t>& sizes) {
  const double share = kNotableShare * live_bytes(points.back(), sizes);
  return points.size() > 2 ? std::min(share, kNotableBytes) : share;
}

// Few GCs: what was allocated x what survives between them, where the allocations were steady. A single GC accuses
// nobody: what a young process sets up for good survives it just as a leak does (seen: prometheus adding series).
void judge_by_survival(const model::HeapTable& heap, const std::vector<std::uint32_t>& sizes, std::size_t size_class,
                       double unit, ClassGrowth& judged) {
  const auto& points = heap.points();
  const double rate = judged.allocated_per_second;
  const auto& last = points.back();
  const double before = last.allocated[size_class];
  const bool steady = allocates_steadily(heap, size_class, unit);
  double least = before > kLeastAllocations ? last.live[size_class] / before : 0;
  double value = rate * least;
  judged.basis = GrowthBasis::survival;
  judged.growth.trend = Trend::flat;
  if (points.size() == 1) {
    if (least >= 0.1 && rate > 0) judged.growth.trend = Trend::unknown;
  } else {
    const auto& first = points.front();
    const double made = before - first.allocated[size_class];
    const double kept = last.live[size_class] - first.live[size_class];
    for (std::size_t i = 1; i < points.size(); ++i) {
      const double some = points[i].allocated[size_class] - points[i - 1].allocated[size_class];
      const double stayed = points[i].live[size_class] - points[i - 1].live[size_class];
      least = std::min(least, some > kLeastAllocations ? stayed / some : 0);
    }
    value = kept * unit / std::max(1e-9, seconds(first.time_ns, last.time_ns));
    if (least >= kMostSurvive && made > kLeastAllocations && steady && kept * unit > notable_bytes(points, sizes))
      judged.growth.trend = Trend::growing;
    else if (kept > 0.1 * made)
      judged.growth.trend = Trend::unknown;
  }
  // Between GCs the truth may be anything from what surely survives to all that is allocated.
  judged.growth.rate = {value, value * std::min(1.0, std::max(0.0, least)), std::max(value, rate)};
  if (judged.growth.trend == Trend::flat) judged.growth.rate.low = std::min(0.0, judged.growth.rate.low);
}

ClassGrowth judge_class(const model::Model& model, std::size_t size_class, double unit) {
  const auto& heap = model.heap();
  ClassGrowth judged;
  const double watched = seconds(heap.first()->time_ns, heap.last()->time_ns);
  if (watched <= 0 || heap.points().empty()) return judged;
  judged.allocated_per_second =
      (allocated(*heap.last(), size_class) - allocated(*heap.first(), size_class)) * unit / watched;
  const auto& first = heap.points().front();
  judged.live_bytes = heap.points().back().live[size_class] * unit;
  judged.live_at_attach = first.live[size_class] * unit;
  if (model.target()) judged.seconds_at_attach = seconds(model.target()->started_ns, first.time_ns);
  if (heap.points().size() > kEnoughSteps) {
    judged.basis = GrowthBasis::gc_steps;
    judged.growth = judge_steps(merge_steps(steps_between(heap.points(), size_class, unit), 20));
  } else {
    judge_by_survival(heap, model.target()->size_classes, size_class, unit, judged);
  }
  return judged;
}

Growth judge_whole_heap(const std::vector<model::GcPoint>& points, const std::vector<std::uint32_t>& sizes) {
  std::vector<Step> steps;
  for (std::size_t i = 1; i < points.size(); ++i)
    steps.push_back({seconds(points[i - 1].time_ns, points[i].time_ns),
                     live_bytes(points[i], sizes) - live_bytes(points[i - 1], sizes), 0});
  return judge_steps(merge_steps(steps, 20));
}

// Over so few GCs that no class can be judged: what the others of the live heap grew by, where that is much.
double unsettled_bytes(const HeapJudgement& judgement, const std::vector<model::GcPoint>& points,
                       const std::vector<std::uint32_t>& sizes) {
  constexpr double kMuch = 0.01;  // of the live heap
  constexpr double kLeast = 1 << 20;
  double grown = live_bytes(points.back(), sizes) - live_bytes(points.front(), sizes);
  for (std::size_t i = 0; i < kSizeClasses && i < sizes.size(); ++i) {
    const double unit = i == 0 ? 1 : sizes[i];
    if (judgement.classes[i].growth.trend == Trend::growing)
      grown -= (points.back().live[i] - points.front().live[i]) * unit;
  }
  return grown > std::max(kLeast, kMuch * live_bytes(points.back(), sizes)) ? grown : 0;
}

// Less than what tells a leak from noise where collections are seen.
constexpr double kLittleBytesPerSecond = 64 << 10;

// By the allocator's own counters. What comes out of a span that a P holds is counted when the span is given back
// (runtime/mcache.go, refill).
double counted_per_second(const model::Model& model) {
  const auto& heap = model.heap();
  const auto& sizes = model.target()->size_classes;
  const double watched = seconds(heap.first()->time_ns, heap.last()->time_ns);
  double bytes = 0;
  for (std::size_t i = 0; i < kSizeClasses && i < sizes.size(); ++i)
    bytes += (allocated(*heap.last(), i) - allocated(*heap.first(), i)) * (i == 0 ? 1 : sizes[i]);
  return watched > 0 ? bytes / watched : 0;
}

// Bytes a second that the program allocated at most, where every allocation was counted. The spans' samples (refill)
// are in it as well, so it is up to twice the truth.
std::optional<double> allocated_at_most(const model::Model& model) {
  constexpr double kAllTheTime = 0.95;
  for (const auto& [symbol, state] : model.probes()) {
    if (state.name != "mallocs" || state.status != ProbeStatus::on || state.lost != 0 || state.attached_ns == 0)
      continue;
    if (static_cast<double>(state.attached_ns) < kAllTheTime * static_cast<double>(state.window_ns)) continue;
    const double seen = model.heap().sampled_bytes() / (static_cast<double>(state.attached_ns) / 1e9);
    return std::max(seen, counted_per_second(model));
  }
  return std::nullopt;
}

// Too few GCs to see what stays: can it be much?
void judge_by_all_allocated(const model::Model& model, HeapJudgement& judgement) {
  const auto most = allocated_at_most(model);
  if (!most || *most > kLittleBytesPerSecond) return;
  judgement.basis = GrowthBasis::allocated;
  judgement.allocated_per_second = *most;
  judgement.why_not.clear();
}

}  // namespace

double live_bytes(const model::GcPoint& point, const std::vector<std::uint32_t>& sizes) {
  double sum = point.live[0];
  for (std::size_t i = 1; i < kSizeClasses && i < sizes.size(); ++i) sum += point.live[i] * sizes[i];
  return sum;
}

void judge_classes(const model::Model& model, HeapJudgement& judgement) {
  const auto& heap = model.heap();
  if (!heap.last() || !heap.last()->by_class || !model.target()) {
    judgement.why_not = "the allocator's counters of this Go version could not be read";
    return;
  }
  judgement.gcs = static_cast<std::uint32_t>(heap.points().size());
  if (heap.points().empty()) {
    judgement.why_not = model.target()->gogc_percent.value_or(100) < 0
                            ? "the garbage collector is off (GOGC=off), so nothing tells what is still in use"
                            : "no garbage collection was completed while we looked";
    return judge_by_all_allocated(model, judgement);
  }
  const auto& sizes = model.target()->size_classes;
  for (std::size_t i = 0; i < kSizeClasses; ++i) {
    const double unit = i == 0 ? 1 : i < sizes.size() ? sizes[i] : 0;
    judgement.classes[i] = judge_class(model, i, unit);
  }
  judgement.basis = heap.points().size() > kEnoughSteps ? GrowthBasis::gc_steps : GrowthBasis::survival;
  judgement.heap = judge_whole_heap(heap.points(), sizes);
  if (judgement.basis == GrowthBasis::survival && heap.points().size() > 1) {
    judgement.unsettled_bytes = unsettled_bytes(judgement, heap.points(), sizes);
    judgement.least_seen = notable_bytes(heap.points(), sizes) /
                           std::max(1e-9, seconds(heap.points().front().time_ns, heap.points().back().time_ns));
  }
  if (heap.points().size() > 1) return;
  judgement.basis = GrowthBasis::none;
  judgement.why_not = "only one garbage collection was completed while we looked";
  judge_by_all_allocated(model, judgement);
}

}  // namespace gotrace::detect
