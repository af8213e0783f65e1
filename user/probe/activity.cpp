#include "probe/activity.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace gotrace::probe {
namespace {

constexpr std::uint64_t kLeastApart = 30'000'000;
constexpr double kMemory = 300e6;         // ns
constexpr double kTrackedOneIn = 8;       // runtime/proc.go, gTrackingPeriod; Go 1.17 to 1.27
constexpr std::uint32_t kPage = 8192;     // runtime.pageSize
constexpr std::uint32_t kMostPages = 16;  // of a span of small objects, with room to spare
constexpr std::uint32_t kLargestField = 64 << 10;

// The span of a size class is the smallest that wastes at most an eighth at its end (runtime/mksizeclasses.go).
double objects_in_span(std::uint32_t size) {
  std::uint32_t bytes = kPage;
  while (bytes % size > bytes / 8 && bytes < kMostPages * kPage) bytes += kPage;
  return std::max(1U, bytes / size);
}

std::optional<double> sum_of_words(const goruntime::Program& program, process::Address address, std::uint32_t size) {
  if (size == 0 || size > kLargestField) return std::nullopt;
  const auto bytes = program.target().memory().block(address, size);
  if (!bytes) return std::nullopt;
  double sum = 0;
  for (std::size_t at = 0; at + sizeof(std::uint64_t) <= bytes->size(); at += sizeof(std::uint64_t))
    sum += static_cast<double>(load_or_zero<std::uint64_t>(*bytes, at));
  return sum;
}

}  // namespace

void read_scheduler(const goruntime::Program& program, Activity& into) {
  const auto sched = program.global("sched");
  if (!sched) return;
  const auto& layout = program.layout().schedt;
  if (layout.goidgen.present()) {
    const auto value = program.target().memory().value<std::uint64_t>(*sched + layout.goidgen.offset);
    if (value) into.created = static_cast<double>(*value);
  }
  if (layout.timeToRun.present()) {
    const auto returned = sum_of_words(program, *sched + layout.timeToRun.offset, layout.timeToRun.size);
    if (returned) into.parked = *returned * kTrackedOneIn;
  }
}

void count_allocations(const HeapCounters& counters, const std::vector<std::uint32_t>& sizes, Activity& into) {
  if (!counters.by_class) return;
  double refills = 0;
  double objects = static_cast<double>(counters.allocated[0]);
  into.large = objects;
  for (std::size_t i = 1; i < std::min(sizes.size(), kSizeClasses); ++i) {
    if (sizes[i] == 0) continue;
    refills += static_cast<double>(counters.allocated[i]) / objects_in_span(sizes[i]);
    objects += static_cast<double>(counters.allocated[i]);
  }
  into.refills = refills;
  into.objects = objects;
}

void ActivityRates::observe(const Activity& activity) {
  if (!last_) {
    last_ = activity;
    return;
  }
  if (activity.time_ns < last_->time_ns + kLeastApart) return;
  const double elapsed = static_cast<double>(activity.time_ns - last_->time_ns);
  const auto update = [&](Group group, const std::optional<double>& now, const std::optional<double>& before) {
    auto& rate = rates_[static_cast<std::size_t>(group)];
    if (!now || !before || *now < *before) {  // torn, or not told any more
      if (!now) rate.reset();
      return;
    }
    const double fresh = (*now - *before) / elapsed * 1e9;
    const double weight = rate ? 1 - std::exp(-elapsed / kMemory) : 1;
    rate = rate.value_or(0) + weight * (fresh - rate.value_or(0));
  };
  // As many end as are born, in the long run; a hit each.
  const auto twice = [](std::optional<double> count) { return count ? std::optional(2 * *count) : count; };
  update(Group::lifecycle, twice(activity.created), twice(last_->created));
  update(Group::parks, activity.parked, last_->parked);
  update(Group::allocations, activity.refills, last_->refills);
  update(Group::mallocs, activity.objects, last_->objects);
  update(Group::large, activity.large, last_->large);
  last_ = activity;
}

}  // namespace gotrace::probe
