// Findings of kind goroutine-leak: creation sites that grow, and cohorts that are stuck.
#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "detect/detector.h"
#include "detect/frames.h"

namespace gotrace::detect {
namespace {

constexpr std::string_view kKind = "goroutine-leak";

std::string advice_for(std::string_view wait_reason, const GroupJudgement& group) {
  if (wait_reason.starts_with("chan send"))
    return "give the channel room for one: make(chan T, 1); or select on the send and ctx.Done()";
  if (wait_reason.starts_with("chan receive"))
    return group.max_capacity == 0 ? "close the channel, or send to it, on every path; or select on it and ctx.Done()"
                                   : "close the channel when its last sender is done, so that the range loop ends";
  if (wait_reason.starts_with("select"))
    return "add a case that ends the wait: <-ctx.Done(), and cancel the context on every path";
  if (wait_reason.starts_with("sync.Mutex") || wait_reason.starts_with("sync.RWMutex"))
    return "unlock on every path: defer mu.Unlock() right after Lock()";
  if (wait_reason.starts_with("sync.WaitGroup") || wait_reason.starts_with("semacquire"))
    return "call Done (or Unlock) on every path, by defer";
  if (wait_reason.starts_with("sync.Cond")) return "Signal or Broadcast after each change of what is waited for";
  if (wait_reason.starts_with("IO wait"))
    return "close the connection or the response body, and set deadlines and IdleTimeout";
  return "end it when its work is done: return on ctx.Done(), and stop its ticker";
}

void add_object_evidence(const GroupJudgement& judged, std::vector<Evidence>& evidence) {
  const auto& group = judged.group;
  const bool sends = group.wait_reason.starts_with("chan send");
  const bool receives = group.wait_reason.starts_with("chan receive");
  if (judged.with_object == group.count && judged.distinct_objects == group.count && (sends || receives)) {
    evidence.push_back({"own-channel", fmt::format("Each {} a channel of its own (cap {}), so this is no worker pool.",
                                                   sends ? "sends on" : "receives from", judged.max_capacity)});
  } else if (judged.with_object > 0 && judged.distinct_objects * 10 < judged.with_object) {
    evidence.push_back({"shared-object", fmt::format("They wait on {} shared object{}.", judged.distinct_objects,
                                                     judged.distinct_objects == 1 ? "" : "s")});
  }
}

std::optional<double> since(const GroupJudgement& judged) { return judged.group.oldest_seconds_at_least; }

// Where a finding's goroutines stand, told by its biggest group.
void place_finding(const GroupJudgement& judged, const SiteJudgement* site, Finding& finding) {
  finding.stack = judged.group.stack;
  finding.blocked_at = judged.group.blocked_at;
  finding.wait_reason = judged.group.wait_reason;
  finding.created_by = judged.group.created_by;
  finding.where = judged.group.created_by;
  if (site != nullptr && site->site.where) finding.where = site->site.where;
  finding.since_seconds_at_least = since(judged);
}

void name_finding(const model::Model& model, std::string_view prefix, Finding& finding) {
  std::vector<Frame> frames = finding.stack;
  if (finding.created_by) frames.push_back(*finding.created_by);
  finding.id = stable_id(prefix, finding.kind, finding.wait_reason, frames);
  finding.exact_id =
      exact_id(prefix, finding.kind, finding.wait_reason, frames, model.target() ? model.target()->build_id : "");
}

void add_growth_evidence(const SiteJudgement& site, Finding& finding) {
  finding.evidence.push_back(
      {"growth-steady",
       fmt::format("In {:.1f} s {} started and stayed, and {} ended.", site.watched_seconds, site.settled_births,
                   site.settled_ends == 0 ? "none" : std::to_string(site.settled_ends))});
  if (site.in_bursts) finding.evidence.push_back({"bursts", fmt::format("They came in {} bursts.", site.bursts.count)});
  if (!site.history.empty())
    finding.evidence.push_back(
        {site.history_agrees ? "history-agrees" : "history-differs", "By age, " + site.history + "."});
  if (site.young_process)
    finding.evidence.push_back(
        {"young-process", "The process is younger than 10 minutes; a longer look would be surer."});
}

Finding growing_finding(const model::Model& model, const Judgements& judgements, std::size_t index) {
  const SiteJudgement& site = judgements.goroutines.sites[index];
  Finding finding;
  finding.kind = kKind;
  finding.verdict = site.site.verdict;
  finding.trend = Trend::growing;
  finding.count = site.site.count;
  finding.growth = site.growth.rate;
  finding.growth_unit = "goroutines";
  finding.confidence =
      site.young_process || site.in_bursts || !site.history_agrees ? Confidence::medium : Confidence::high;
  const GroupJudgement* main = nullptr;
  std::uint64_t bytes = 0;
  for (const GroupJudgement& judged : judgements.goroutines.groups) {
    if (judged.site != index) continue;
    finding.group_ids.push_back(judged.group.id);
    bytes += judged.group.stack_bytes;
    if (main == nullptr || judged.settled_new > main->settled_new) main = &judged;
  }
  finding.bytes = bytes;
  add_growth_evidence(site, finding);
  if (main != nullptr) {
    place_finding(*main, &site, finding);
    add_object_evidence(*main, finding.evidence);
    finding.advice = advice_for(main->group.wait_reason, *main);
  } else {
    finding.where = site.site.where;
  }
  finding.title = finding.verdict == Verdict::leaking ? "goroutines are started and never end"
                                                      : "goroutines grow: a ramp or a leak";
  if (finding.verdict == Verdict::suspected)
    finding.not_known = "whether it goes on: look again in some minutes, or longer with --duration";
  name_finding(model, "gl", finding);
  return finding;
}

Finding stuck_finding(const model::Model& model, const Judgements& judgements, const GroupJudgement& judged) {
  const auto& sites = judgements.goroutines.sites;
  const SiteJudgement* site = judged.site < sites.size() ? &sites[judged.site] : nullptr;
  Finding finding;
  finding.kind = kKind;
  finding.verdict = Verdict::suspected;
  finding.trend = site != nullptr ? site->growth.trend : Trend::unknown;
  finding.count = judged.group.count;
  finding.bytes = judged.group.stack_bytes;
  if (site != nullptr && site->growth.trend != Trend::unknown) finding.growth = site->growth.rate;
  finding.growth_unit = "goroutines";
  finding.confidence = judged.parents > 1 ? Confidence::medium : Confidence::low;
  place_finding(judged, site, finding);
  finding.title = "goroutines are stuck and not growing";
  finding.evidence.push_back({"never-ran", fmt::format("None of {} of them ran while we looked.", judged.still)});
  add_object_evidence(judged, finding.evidence);
  if (judged.parents > 1)
    finding.evidence.push_back(
        {"many-parents", fmt::format("{} different goroutines started them, as requests do.", judged.parents)});
  finding.evidence.push_back(
      {"birth-ids", fmt::format("They are numbered {} to {}.", judged.members.front(), judged.members.back())});
  finding.advice = advice_for(judged.group.wait_reason, judged);
  finding.not_known = "whether anything can still wake them";
  finding.look_at = "what happened when they started: a deploy, a failover, a burst of requests";
  finding.group_ids.push_back(judged.group.id);
  name_finding(model, "gl", finding);
  return finding;
}

}  // namespace

std::vector<Finding> find_growing_goroutines(const model::Model& model, const Judgements& judgements) {
  std::vector<Finding> findings;
  const auto& sites = judgements.goroutines.sites;
  for (std::size_t i = 0; i < sites.size(); ++i)
    if (sites[i].site.verdict >= Verdict::suspected) findings.push_back(growing_finding(model, judgements, i));
  return findings;
}

std::vector<Finding> find_stuck_goroutines(const model::Model& model, const Judgements& judgements) {
  std::vector<Finding> findings;
  for (const GroupJudgement& judged : judgements.goroutines.groups) {
    const auto& sites = judgements.goroutines.sites;
    const bool growing = judged.site < sites.size() && sites[judged.site].site.verdict >= Verdict::suspected;
    if (judged.stuck && !growing) findings.push_back(stuck_finding(model, judgements, judged));
  }
  return findings;
}

}  // namespace gotrace::detect
