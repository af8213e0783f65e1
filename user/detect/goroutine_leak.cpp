// Findings of kind goroutine-leak: creation sites that grow, and cohorts that are stuck.
#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "detect/detector.h"
#include "detect/frames.h"
#include "detect/goroutine_words.h"

namespace gotrace::detect {
namespace {

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
  finding.kind = kGoroutineLeak;
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
  name_goroutine_finding(model, finding);
  return finding;
}

Finding stuck_finding(const model::Model& model, const Judgements& judgements, const GroupJudgement& judged) {
  const auto& sites = judgements.goroutines.sites;
  const SiteJudgement* site = judged.site < sites.size() ? &sites[judged.site] : nullptr;
  Finding finding;
  finding.kind = kGoroutineLeak;
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
  name_goroutine_finding(model, finding);
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
