// Findings of kind growing-call-site: who allocates what stays.
#include <fmt/format.h>

#include "base/units.h"
#include "detect/detector.h"
#include "detect/frames.h"

namespace gotrace::detect {
namespace {

std::string basis_text(const HeapJudgement& heap, const SiteGrowth& site) {
  switch (site.basis) {
    case GrowthBasis::gc_steps:
      return fmt::format("Live objects of its size grew after each of {} garbage collections.", heap.gcs);
    case GrowthBasis::survival:
      return fmt::format("Of what was allocated in its size, (nearly) all survived {} garbage collection{}.", heap.gcs,
                         heap.gcs == 1 ? "" : "s");
    case GrowthBasis::profile:
      return "The program's own heap profile grew here.";
    case GrowthBasis::none:
    case GrowthBasis::allocated:
      break;
  }
  return {};
}

// Caches and logs that have a bound may not have reached it yet.
bool young(const model::Model& model) {
  constexpr std::uint64_t kYoungNs = 600'000'000'000;
  return model.target() && model.target()->started_ns > 0 && model.latest_ns() < model.target()->started_ns + kYoungNs;
}

Confidence confidence_of(const SiteGrowth& site, bool young_process) {
  if (!site.history_agrees) return Confidence::low;
  const bool sure = site.basis == GrowthBasis::gc_steps && site.samples >= 20;
  return sure && !young_process ? Confidence::high : sure || !young_process ? Confidence::medium : Confidence::low;
}

Finding finding_of(const model::Model& model, const HeapJudgement& heap, const SiteGrowth& site) {
  Finding finding;
  finding.kind = "growing-call-site";
  finding.verdict = site.call_site.verdict;
  finding.trend = Trend::growing;
  finding.title = finding.verdict == Verdict::leaking ? "what this line allocates stays"
                                                      : "what this line allocates grows: a ramp or a leak";
  finding.stack = site.call_site.stack;
  finding.where = first_of_program(finding.stack);
  if (!finding.where) finding.where = finding.stack.front();
  finding.created_by = finding.stack.front();
  finding.count = site.call_site.live_objects;
  finding.bytes = site.call_site.live_bytes;
  finding.growth = site.call_site.growth_bytes;
  finding.growth_unit = "bytes";
  const bool young_process = young(model);
  finding.confidence = confidence_of(site, young_process);
  finding.evidence.push_back({"size-class-grows", basis_text(heap, site)});
  finding.evidence.push_back({"share-of-growth", fmt::format("{:.0f} % of that growth is this line's, by {} samples.",
                                                             100 * site.share, site.samples)});
  if (site.judged > 0)
    finding.evidence.push_back({"survivors", fmt::format("Of {} objects from here that a collection could have freed, "
                                                         "{} are still in use.",
                                                         site.judged, site.survived)});
  if (!site.history.empty())
    finding.evidence.push_back(
        {site.history_agrees ? "history-agrees" : "history-differs", "By size now, " + site.history + "."});
  if (young_process)
    finding.evidence.push_back({"young-process",
                                "The process is younger than 10 minutes: what has a bound may still be "
                                "filling. Look again later."});
  finding.advice = fmt::format("bound or expire what {} keeps", finding.where->function);
  finding.site_ids.push_back(site.call_site.id);
  finding.id = stable_id("gc", finding.kind, "", finding.stack);
  finding.exact_id = exact_id("gc", finding.kind, "", finding.stack, model.target() ? model.target()->build_id : "");
  return finding;
}

}  // namespace

std::vector<Finding> find_growing_call_sites(const model::Model& model, const Judgements& judgements) {
  std::vector<Finding> findings;
  for (const SiteGrowth& site : judgements.heap.sites)
    if (site.call_site.verdict >= Verdict::suspected) findings.push_back(finding_of(model, judgements.heap, site));
  return findings;
}

}  // namespace gotrace::detect
