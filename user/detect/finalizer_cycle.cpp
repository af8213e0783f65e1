// Findings of kind finalizer-leak: objects with finalizers in cycles. None of them is ever collected, and none of their
// finalizers ever runs.
#include <fmt/format.h>

#include "base/units.h"
#include "detect/detector.h"
#include "detect/frames.h"
#include "detect/resources.h"

namespace gotrace::detect {
namespace {

constexpr std::uint64_t kLeastGrowth = 20;  // objects, during the window

}  // namespace

std::vector<Finding> find_finalizer_cycles(const model::Model& model, const Judgements&) {
  std::vector<Finding> findings;
  const auto& objects = model.resources().series(ResourceKind::finalizer_cycles);
  for (const auto& [key, counts] : objects.counts) {
    const auto& frames = model.symbols().frames(key.location);
    const Growth growth = judge_growth(count_steps(objects, counts));
    if (growth.trend != Trend::growing || counts.back() < counts.front() + kLeastGrowth || frames.empty()) continue;
    Finding finding;
    finding.kind = "finalizer-leak";
    finding.title = "objects with finalizers that lead back to themselves are never collected";
    finding.where = frames.front();
    finding.stack = frames;
    finding.count = counts.back();
    finding.growth = growth.rate;
    finding.growth_unit = "objects";
    finding.evidence.push_back(
        {"finalizer-cycle",
         fmt::format("{} objects have the finalizer {}, {} when we came. Those that were looked into lead back to "
                     "themselves: a collection marks them by way of their own finalizer, and it never runs.",
                     format_count(counts.back()), frames.front().function, format_count(counts.front()))});
    judge_verdict(judge_history(model, objects.points.front().time_ns, static_cast<double>(counts.front()),
                                growth.rate.value, "Their number grew"),
                  finding);
    doubt_few_looks(objects.points.size(), finding);
    finding.look_at = "what links the objects that have this finalizer";
    finding.advice =
        "break the cycle: set the finalizer on an object of its own that nothing in the cycle points to, or close them";
    name_resource_finding(model, "fy", finding);
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace gotrace::detect
