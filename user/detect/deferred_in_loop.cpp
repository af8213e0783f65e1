// Findings of kind deferred-in-loop: one call of a function defers again and again, and nothing of it runs before that
// call returns.
#include <fmt/format.h>

#include <algorithm>

#include "detect/detector.h"
#include "detect/resources.h"

namespace gotrace::detect {
namespace {

constexpr double kLeastGrowth = 10;  // deferred calls, during the window

void tell_goroutine(const model::Model& model, std::uint64_t goid, Finding& finding) {
  const auto found = model.goroutines().find(goid);
  if (!found) return;
  const auto& created = model.symbols().frames(found->state.created_at);
  if (!created.empty()) finding.created_by = created.front();
}

bool mentions(const std::vector<Frame>& stack, const std::string& function) {
  return std::any_of(stack.begin(), stack.end(), [&](const Frame& frame) { return frame.function == function; });
}

}  // namespace

std::vector<Finding> find_deferred_in_loops(const model::Model& model, const Judgements& judgements) {
  std::vector<Finding> findings;
  const auto& chains = model.resources().series(ResourceKind::deferred_calls);
  if (chains.points.size() < 6) return {};
  for (const auto& [key, counts] : chains.counts) {
    const Growth growth = judge_growth(count_steps(chains, counts));
    const double change = static_cast<double>(counts.back()) - static_cast<double>(counts.front());
    const auto& frames = model.symbols().frames(key.location);
    if (growth.trend != Trend::growing || change < kLeastGrowth || frames.empty()) continue;
    Finding finding;
    finding.kind = "deferred-in-loop";
    finding.title = "defer in a loop that does not end";
    finding.count = counts.back();
    finding.growth = growth.rate;
    finding.growth_unit = "deferred calls";
    finding.where = frames.front();
    finding.stack = frames;
    finding.evidence.push_back(
        {"chain-grows",
         fmt::format("Goroutine {} has {} deferred calls of {} from this line, {:.0f} more than at first; "
                     "they run when {} returns, not before.",
                     key.id, counts.back(), key.name, change, frames.front().function)});
    for (const SiteGrowth& site : judgements.heap.sites)
      if (mentions(site.call_site.stack, frames.front().function)) finding.site_ids.push_back(site.call_site.id);
    judge_verdict(judge_history(model, chains.points.front().time_ns, static_cast<double>(counts.front()),
                                growth.rate.value, "They grew"),
                  finding);
    tell_goroutine(model, key.id, finding);
    finding.advice = "put the loop's body into a function of its own: func() { ...; defer f.Close(); ... }()";
    name_resource_finding(model, "dl", finding);
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace gotrace::detect
