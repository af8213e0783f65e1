#include "detect/analyze.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/units.h"
#include "detect/detector.h"
#include "detect/frames.h"
#include "detect/heap_holders.h"
#include "detect/heap_parts.h"
#include "detect/memory.h"
#include "detect/proved_goroutines.h"
#include "detect/related.h"

namespace gotrace::detect {
namespace {

double elapsed(std::uint64_t begin_ns, std::uint64_t end_ns) {
  return end_ns > begin_ns ? static_cast<double>(end_ns - begin_ns) / 1e9 : 0;
}

void add_session(const model::Model& model, Analysis& out) {
  if (model.session()) out.session = *model.session();
  out.end = model.end();
  out.target = model.target();
  for (const auto& [name, state] : model.sources()) out.sources.push_back(state);
  out.gaps = model.gaps();
  out.overhead = model.overhead();
  out.writes = model.writes();
  out.loss = model.losses();
  const std::uint64_t evicted = model.heap().evicted() + model.resources().evicted();
  if (evicted > 0) out.loss["model_evictions"] += evicted;
  for (const auto& [symbol, state] : model.probes())
    out.probes.push_back(
        {state, static_cast<double>(state.attached_ns) / 1e9, static_cast<double>(state.window_ns) / 1e9});
  out.snapshots = {model.goroutines().look_count(), model.goroutines().last_read_ns(),
                   model.goroutines().max_read_ns()};
  if (model.heap().profile())
    out.heap_profile = {model.heap().profile_looks(), model.heap().profile()->rate, model.heap().profile()->buckets};
  if (const auto& look = model.retention().last())
    out.retention = RetentionSummary{look->searches, look->read_bytes,      look->to_read_bytes,
                                     look->stacks,   look->stacks_followed, look->cpu_ns};
  out.window.start_wall_ns = out.session.wall_ns;
  out.window.seconds = elapsed(out.session.time_ns, model.latest_ns());
  out.window.complete = model.end().has_value();
  if (model.end()) out.window.end = model.end()->reason;
  if (model.heap().first() && model.heap().last())
    out.window.gc_cycles = model.heap().last()->gc_cycles - model.heap().first()->gc_cycles;
}

std::optional<UnjudgedBursts> unjudged_bursts(const std::vector<SiteJudgement>& sites) {
  const auto most = std::max_element(sites.begin(), sites.end(), [](const auto& a, const auto& b) {
    const auto key = [](const SiteJudgement& site) {
      return site.in_bursts && site.site.trend == Trend::unknown ? site.bursts.births : 0;
    };
    return key(a) < key(b);
  });
  if (most == sites.end() || !most->in_bursts || most->site.trend != Trend::unknown) return std::nullopt;
  return UnjudgedBursts{most->bursts.count, most->settled_births, most->site.where};
}

void add_goroutines(const model::Model& model, const GoroutineJudgement& judged, Analysis& out) {
  const auto& table = model.goroutines();
  if (table.looks().empty()) return;
  Goroutines& goroutines = out.goroutines;
  goroutines.total = table.alive().size();
  constexpr std::size_t kShown = 4;
  const auto& looks = table.looks();
  for (std::size_t i = 0; i < std::min(kShown, looks.size()); ++i)
    goroutines.totals.push_back(looks[looks.size() <= kShown ? i : i * (looks.size() - 1) / (kShown - 1)].goroutines);
  table.alive().for_each([&](auto slot) { ++goroutines.by_status[to_string(table.alive().common(slot).status)]; });
  goroutines.trend = judged.total_trend;
  for (const SiteJudgement& site : judged.sites)
    if (site.site.count > 0 || site.site.trend == Trend::growing) goroutines.sites.push_back(site.site);
  std::stable_sort(goroutines.sites.begin(), goroutines.sites.end(),
                   [](const auto& a, const auto& b) { return a.count > b.count; });
  goroutines.unjudged_bursts = unjudged_bursts(judged.sites);
  const double stuck_after = static_cast<double>(out.session.stuck_after_ns) / 1e9;
  for (const GroupJudgement& group : judged.groups) {
    goroutines.groups.push_back(group.group);
    if (group.group.newest_seconds_at_least.value_or(0) < stuck_after || stuck_after <= 0) continue;
    goroutines.stuck += group.group.count;
    ++goroutines.stuck_places;
  }
  std::stable_sort(goroutines.groups.begin(), goroutines.groups.end(), [](const auto& a, const auto& b) {
    return (a.verdict >= Verdict::suspected) > (b.verdict >= Verdict::suspected);
  });
}

std::string reason_of(const Analysis& out, std::string_view source, std::string fallback) {
  for (const SourceState& state : out.sources)
    if (state.name == source && state.status != SourceStatus::on && !state.reason.empty()) return state.reason;
  return fallback;
}

void check(Analysis& out, std::string name, bool done, std::string reason, std::string fix) {
  if (done) {
    out.summary.checked.push_back(std::move(name));
  } else {
    out.summary.not_checked.push_back({std::move(name), std::move(reason), std::move(fix)});
  }
}

std::string why_not_judged(const UnjudgedBursts& bursts) {
  return fmt::format("{} goroutines came in {} bursts and stayed, too few bursts to judge", bursts.goroutines,
                     bursts.bursts);
}

// The whole grows, and no line's share of it could be told.
bool grows_for_nobody(const HeapJudgement& heap) {
  const bool grows = heap.heap.trend == Trend::growing && heap.heap.rate.low >= kMaterialBytesPerSecond;
  return grows && std::none_of(heap.sites.begin(), heap.sites.end(),
                               [](const SiteGrowth& site) { return site.call_site.trend == Trend::growing; });
}

// While the heap fills memory that it never touched before, only the mappings show what grows beside it.
bool outside_is_seen(const model::Model& model) {
  constexpr std::size_t kLeastLooks = 6;
  const auto& outside = model.resources().outside_heap();
  const auto& mapped = model.resources().outside_mapped();
  return outside.empty() || outside.back().bytes > 0 || mapped.empty() || mapped.size() >= kLeastLooks;
}

// One moment shows no growth, and a snapshot is no look at what goes on.
void add_proof_checks(const Proof& proof, Analysis& out) {
  const std::string of_file = reason_of(out, "process", "");
  check(out, "goroutine-proof", proof.off.empty(), proof.off, "");
  for (const char* name : {"goroutine-growth", "heap-growth", "call-site-growth", "outside-heap"})
    check(out, name, false, "one moment shows no growth",
          of_file.empty() ? fmt::format("gotrace-leak -p {}", out.target ? out.target->pid : 0) : "");
  if (!of_file.empty()) check(out, "proof-recheck", false, of_file, "");
}

// Empty: it is settled.
std::string why_unsettled(const HeapJudgement& heap) {
  if (heap.unsettled_bytes == 0) return {};
  return fmt::format(
      "the live heap grew by {} in {} garbage collections, too few to tell a leak from a heap that fills",
      format_bytes(heap.unsettled_bytes), heap.gcs);
}

// Why the growth of the heap has no line; empty: it has, or there is none.
std::string why_unattributed(const HeapJudgement& heap, const Analysis& out) {
  if (!heap.sites_known)
    return reason_of(out, "heap-profile", "nothing told which line allocates: no probes, no heap profile");
  if (!grows_for_nobody(heap)) return {};
  return fmt::format("the heap grows by {}/s, and which of the lines that allocate keeps it could not be told",
                     format_bytes(heap.heap.rate.value));
}

void add_checks(const model::Model& model, const Judgements& judgements, Analysis& out) {
  if (model.proof()) return add_proof_checks(*model.proof(), out);
  constexpr auto longer = "look longer: --duration 60s";
  constexpr auto with_sampler =
      "turn the program's own sampler on, a write of 8 bytes to its memory, undone at exit: --assist";
  const auto looks = model.goroutines().look_count();
  const std::string no_looks = reason_of(out, "snapshots", "too few looks at the goroutines");
  // One burst is a step, after which all was flat.
  const auto& bursts = out.goroutines.unjudged_bursts;
  const bool too_few = bursts && bursts->bursts > 1;
  check(out, "goroutine-growth", looks >= 6 && !too_few, too_few ? why_not_judged(*bursts) : no_looks, longer);
  check(out, "goroutine-stuck", looks >= 2, no_looks, longer);
  const HeapJudgement& heap = judgements.heap;
  const bool judged = heap.basis != GrowthBasis::none;
  const std::string no_heap = reason_of(out, "heap-counters", heap.why_not);
  const std::string unsettled = why_unsettled(heap);
  const std::string no_growth = judged ? unsettled : no_heap;
  check(out, "heap-growth", no_growth.empty(), no_growth, longer);
  const std::string no_line = no_growth.empty() ? why_unattributed(heap, out) : no_growth;
  check(out, "call-site-growth", no_line.empty(), no_line, no_growth.empty() ? with_sampler : longer);
  // Traces of before know nothing of such a search.
  if (model.sources().contains("retention"))
    check(out, "retention", model.retention().looks() > 0,
          reason_of(out, "retention", "too little time for two searches of the heap"), longer);
  // One look at the mappings can't tell growth; none was asked for in traces of before.
  const auto& mappings = model.resources().series(ResourceKind::mappings);
  const bool mappings_seen = mappings.points.size() != 1 && mappings.complete && outside_is_seen(model);
  check(out, "outside-heap", model.memory().size() >= 5 && mappings_seen,
        "too few looks at the process's memory and its mappings", longer);
}

// What would have stood out. From 17 births on a count is no chance any more (p < 2e-5); a leak is found 19 times of 20
// when so many are expected as the simulation in tests/unit/detect/goroutines_test.cpp needed.
void add_floors(const model::Model& model, const Judgements& judgements, Analysis& out) {
  constexpr double kEventsToSee = 36;
  const auto& blocks = model.goroutines().blocks();
  if (!blocks.empty()) {
    const double watched = elapsed(blocks.front().begin_ns, blocks.back().end_ns);
    if (watched > 0) out.summary.floor_goroutines_per_second = kEventsToSee / watched;
  }
  if (judgements.heap.basis == GrowthBasis::allocated) {
    out.memory.allocated_at_most = judgements.heap.allocated_per_second;
    out.summary.floor_heap_bytes_per_second = std::max(kMaterialBytesPerSecond, judgements.heap.allocated_per_second);
  }
  if (judgements.heap.least_seen > 0)
    out.summary.floor_heap_bytes_per_second = std::max(kMaterialBytesPerSecond, judgements.heap.least_seen);
  if (judgements.heap.basis != GrowthBasis::gc_steps) return;
  // The noise of the whole live heap bounds what any size class can hide.
  const Rate& rate = judgements.heap.heap.rate;
  const double half = (rate.high - rate.low) / 2;
  out.summary.floor_heap_bytes_per_second = std::max(kMaterialBytesPerSecond, 2 * half);
}

void conclude(Analysis& out) {
  Verdict worst = Verdict::unknown;
  for (const Finding& finding : out.findings) worst = std::max(worst, finding.verdict);
  out.summary.verdict = worst >= Verdict::leaking         ? SummaryVerdict::leak
                        : worst == Verdict::suspected     ? SummaryVerdict::suspected
                        : out.summary.not_checked.empty() ? SummaryVerdict::none_seen
                                                          : SummaryVerdict::insufficient_data;
}

void add_findings(const model::Model& model, const Judgements& judgements, Analysis& out) {
  for (const Detector detector : detectors()) {
    auto some = detector(model, judgements);
    out.findings.insert(out.findings.end(), std::make_move_iterator(some.begin()), std::make_move_iterator(some.end()));
  }
  relate_findings(out.findings);
  std::stable_sort(out.findings.begin(), out.findings.end(), [](const Finding& a, const Finding& b) {
    const auto key = [](const Finding& f) { return std::tuple(f.verdict, f.bytes.value_or(0), f.count.value_or(0)); };
    return key(a) > key(b);
  });
  UniqueIds ids;
  for (Finding& finding : out.findings) finding.id = ids.claim(finding.id);
}

}  // namespace

Analysis analyze(const model::Model& model) {
  Analysis out;
  add_session(model, out);
  Judgements judgements;
  judgements.goroutines = judge_goroutines(model);
  judgements.heap = judge_heap(model);
  add_goroutines(model, judgements.goroutines, out);
  for (const SiteGrowth& site : judgements.heap.sites) out.call_sites.push_back(site.call_site);
  out.memory = judge_memory(model, judgements);
  out.proof = model.proof();
  out.reached = reached_groups(model, judgements.goroutines);
  out.holders = heap_holders(model);
  add_findings(model, judgements, out);
  add_checks(model, judgements, out);
  add_floors(model, judgements, out);
  conclude(out);
  return out;
}

}  // namespace gotrace::detect
