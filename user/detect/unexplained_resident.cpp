// Findings of kind unexplained-resident: resident memory grows that the Go runtime does not know of.
#include <fmt/format.h>

#include <cmath>

#include "base/units.h"
#include "detect/detector.h"
#include "detect/resources.h"

namespace gotrace::detect {
namespace {

constexpr double kLeastRate = 16 * 1024;  // bytes per second; 1.3 GiB a day
constexpr double kLeastGrowth = 2 << 20;  // bytes, during the window: below, the kernel's own counting is too coarse
constexpr std::size_t kLeastPoints = 6;
constexpr double kAtStart = 2 << 20;  // what a Go process has outside its heap from its start

struct PartGrowth {  // of one part of what is mapped
  double first = 0, last = 0;
  double seconds = 0;
  [[nodiscard]] double change() const { return last - first; }
  [[nodiscard]] double rate() const { return seconds > 0 ? change() / seconds : 0; }
};

PartGrowth part_of(const model::ResourceSeries& mappings, const std::string& name) {
  PartGrowth part;
  const auto found = mappings.counts.find({name, LocationId::none, 0});
  if (found == mappings.counts.end()) return part;
  part.first = static_cast<double>(found->second.front());
  part.last = static_cast<double>(found->second.back());
  part.seconds = static_cast<double>(mappings.points.back().time_ns - mappings.points.front().time_ns) / 1e9;
  return part;
}

Growth growth_of(const std::vector<model::OutsideHeap>& points) {
  std::vector<Step> steps;
  for (std::size_t i = 1; i < points.size(); ++i)
    steps.push_back({static_cast<double>(points[i].time_ns - points[i - 1].time_ns) / 1e9,
                     points[i].bytes - points[i - 1].bytes, 0});
  return judge_growth(steps);
}

Growth material_growth(const std::vector<model::OutsideHeap>& points) {
  if (points.size() < kLeastPoints || points.back().bytes - points.front().bytes < kLeastGrowth) return {};
  const Growth growth = growth_of(points);
  return growth.rate.low < kLeastRate ? Growth{} : growth;
}

void explain(const model::Model& model, const PartGrowth& c_heap, const PartGrowth& anonymous,
             const model::ResourceSeries& mappings, Finding& finding) {
  const bool cgo = model.target() && model.target()->cgo;
  const auto say = [&](const char* code, const char* what, const PartGrowth& part) {
    finding.evidence.push_back(
        {code, fmt::format("{} went from {} to {}.", what, format_bytes(part.first), format_bytes(part.last))});
  };
  if (c_heap.change() > kLeastGrowth / 2) say("c-heap-grows", "The C heap (brk)", c_heap);
  if (anonymous.change() > kLeastGrowth / 2) {
    say("anonymous-grows", "Anonymous memory that is no arena of Go's", anonymous);
    const PartGrowth number = part_of(mappings, "anonymous mappings");
    if (number.change() > 0)
      finding.evidence.push_back({"mappings-grow", fmt::format("It is in {:.0f} mappings, {:.0f} more than at first.",
                                                               number.last, number.change())});
  }
  finding.advice =
      cgo ? "free what C code allocates on every path: defer C.free(p), also for C.CString; munmap what is "
            "mapped"
          : "unmap what is mapped on every path: defer syscall.Munmap(b)";
  finding.look_at = cgo ? "what is called through cgo: no stack of Go's says which call allocates"
                        : "what calls syscall.Mmap: no stack of Go's says which call maps";
}

// The limit that is reached first; those of the process's memory, not GOMEMLIMIT, which does not count this.
void add_limit(const model::Model& model, Finding& finding) {
  const MemoryLimit* nearest = nullptr;
  const auto room = [](const MemoryLimit& limit) { return limit.bytes - limit.used_bytes; };
  for (const MemoryLimit& limit : model.memory().back().limits) {
    if (limit.kind == LimitKind::gomemlimit || limit.bytes <= limit.used_bytes) continue;
    if (nearest == nullptr || room(limit) < room(*nearest)) nearest = &limit;
  }
  if (nearest == nullptr || finding.growth->value <= 0) return;
  const double seconds = static_cast<double>(room(*nearest)) / finding.growth->value;
  if (seconds > 30.0 * 86400) return;
  finding.evidence.push_back({"limit", fmt::format("The limit of {} ({}) is reached in about {}.",
                                                   format_bytes(static_cast<double>(nearest->bytes)),
                                                   to_string(nearest->kind), format_duration(seconds))});
}

}  // namespace

std::vector<Finding> find_unexplained_resident(const model::Model& model, const Judgements&) {
  const auto& mappings = model.resources().series(ResourceKind::mappings);
  if (mappings.points.size() < 2) return {};
  Growth growth = material_growth(model.resources().outside_heap());
  // A heap that fills what it never touched hides what grows beside it.
  if (growth.trend != Trend::growing) growth = material_growth(model.resources().outside_mapped());
  if (growth.trend != Trend::growing) return {};
  // Heap that was never touched hides growth of what is outside, and shows as growth when it is: the mappings decide.
  const PartGrowth c_heap = part_of(mappings, "c heap");
  const PartGrowth anonymous = part_of(mappings, "anonymous");
  if (c_heap.rate() + anonymous.rate() < 0.5 * growth.rate.value) return {};
  Finding finding;
  finding.kind = "unexplained-resident";
  finding.title = "memory outside the Go heap grows";
  finding.bytes = static_cast<std::uint64_t>(c_heap.last + anonymous.last);
  finding.growth = growth.rate;
  finding.growth_unit = "bytes";
  explain(model, c_heap, anonymous, mappings, finding);
  add_limit(model, finding);
  judge_verdict(judge_history(model, mappings.points.front().time_ns,
                              std::max(0.0, c_heap.first + anonymous.first - kAtStart), growth.rate.value, "It grew"),
                finding);
  name_resource_finding(model, "ur", finding);
  return {finding};
}

}  // namespace gotrace::detect
