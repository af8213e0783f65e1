// Findings of kind deferred-in-loop: one call of a function defers again and again, and nothing of it runs before that
// call returns.
#include <fmt/format.h>

#include <algorithm>

#include "detect/detector.h"
#include "detect/resources.h"

namespace gotrace::detect {
namespace {

constexpr double kLeastGrowth = 10;  // deferred calls, during the window

// Goroutines that become more and wait at the same place as the one with the deferred calls: what they want, a
// connection of a pool, is what those calls would give back.
struct Waiters {
  std::uint64_t count = 0;
  double per_second = 0;  // more
  std::vector<std::string> group_ids;
  std::optional<Frame> place;
};

const GroupJudgement* group_of(const Judgements& judgements, std::uint64_t goid) {
  const auto& groups = judgements.goroutines.groups;
  const auto found = std::ranges::find_if(
      groups, [goid](const GroupJudgement& judged) { return std::ranges::binary_search(judged.members, goid); });
  return found == groups.end() ? nullptr : &*found;
}

// Everyone who waits for any lock or group waits in package sync.
bool tells_for_what(const Frame& place) {
  return !place.function.starts_with("sync.") && !place.function.starts_with("internal/");
}

Waiters waiters_beside(const Judgements& judgements, std::uint64_t goid) {
  const GroupJudgement* own = group_of(judgements, goid);
  Waiters waiters;
  if (own == nullptr || !own->group.blocked_at || !tells_for_what(*own->group.blocked_at)) return waiters;
  waiters.place = own->group.blocked_at;
  for (const GroupJudgement& judged : judgements.goroutines.groups) {
    const auto& sites = judgements.goroutines.sites;
    const bool more = judged.site < sites.size() && sites[judged.site].site.verdict >= Verdict::suspected;
    if (&judged == own || !more || !judged.group.blocked_at || judged.group.wait_reason != own->group.wait_reason ||
        judged.group.blocked_at->function != waiters.place->function)
      continue;
    waiters.count += judged.group.count;
    if (judged.group.growth_per_second) waiters.per_second += *judged.group.growth_per_second;
    waiters.group_ids.push_back(judged.group.id);
  }
  return waiters;
}

void tell_goroutine(const model::Model& model, std::uint64_t goid, Finding& finding) {
  const auto found = model.goroutines().find(goid);
  if (!found) return;
  const auto& created = model.symbols().frames(found->state.created_at);
  if (!created.empty()) finding.created_by = created.front();
}

void add_waiters(const Waiters& waiters, Finding& finding) {
  finding.group_ids = waiters.group_ids;
  finding.blocked_at = waiters.place;
  finding.evidence.push_back(
      {"waiters",
       fmt::format("It waits in {} itself, and so do {} other goroutines, {:.1f} more a second: what they wait "
                   "for seems to be what these calls would give back.",
                   waiters.place->function, waiters.count, waiters.per_second)});
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
    const bool growing = growth.trend == Trend::growing && change >= kLeastGrowth;
    const Waiters waiters = waiters_beside(judgements, key.id);
    const auto& frames = model.symbols().frames(key.location);
    if (frames.empty() || counts.back() == 0 || (!growing && waiters.count == 0)) continue;
    Finding finding;
    finding.kind = "deferred-in-loop";
    finding.count = counts.back();
    finding.growth_unit = "deferred calls";
    finding.where = frames.front();
    finding.stack = frames;
    finding.evidence.push_back(
        {growing ? "chain-grows" : "chain",
         fmt::format(
             "Goroutine {} has {} deferred calls of {} from this line, {}; they run when {} returns, not before.",
             key.id, counts.back(), key.name,
             growing ? fmt::format("{:.0f} more than at first", change) : std::string("as many as at first"),
             frames.front().function)});
    for (const SiteGrowth& site : judgements.heap.sites)
      if (mentions(site.call_site.stack, frames.front().function)) finding.site_ids.push_back(site.call_site.id);
    if (growing) {
      finding.title = "defer in a loop that does not end";
      finding.growth = growth.rate;
      judge_verdict(judge_history(model, chains.points.front().time_ns, static_cast<double>(counts.front()),
                                  growth.rate.value, "They grew"),
                    finding);
    } else {
      finding.title = "defer in a loop that waits for what it has not given back";
      finding.trend = growth.trend;
      finding.not_known = "whether these calls give back what is waited for";
    }
    tell_goroutine(model, key.id, finding);
    if (waiters.count > 0) add_waiters(waiters, finding);
    finding.advice = "put the loop's body into a function of its own: func() { ...; defer f.Close(); ... }()";
    name_resource_finding(model, "dl", finding);
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace gotrace::detect
