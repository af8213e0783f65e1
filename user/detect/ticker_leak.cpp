// Findings of kind ticker-leak: timers that are made and never stopped. Up to Go 1.22 a ticker that is not stopped
// stays in the heap of timers for ever; from 1.23 on only one that the program still holds stays, and no timer heap
// shows it: there what time.NewTicker allocates tells.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "base/units.h"
#include "detect/allocators.h"
#include "detect/detector.h"
#include "detect/frames.h"
#include "detect/resources.h"

namespace gotrace::detect {
namespace {

constexpr double kLeastGrowth = 10;  // timers, during the window
constexpr std::array<std::string_view, 2> kMakers = {"time.NewTicker", "time.Tick"};
constexpr auto kStop = "stop it on every path: t := time.NewTicker(d), then defer t.Stop()";

Finding timer_finding(const model::Model& model, const model::ResourceSeries& timers, const Growth& growth,
                      std::uint64_t first, std::uint64_t last) {
  Finding finding;
  finding.kind = "ticker-leak";
  finding.count = last;
  finding.growth = growth.rate;
  finding.growth_unit = "timers";
  judge_verdict(judge_history(model, timers.points.front().time_ns, static_cast<double>(first), growth.rate.value,
                              "Their number grew"),
                finding);
  doubt_few_looks(timers.points.size(), finding);
  return finding;
}

bool grows(const Growth& growth, const std::vector<std::uint64_t>& counts) {
  return growth.trend == Trend::growing &&
         static_cast<double>(counts.back()) - static_cast<double>(counts.front()) >= kLeastGrowth;
}

std::vector<const SiteGrowth*> growing_makers(const Judgements& judgements) {
  std::vector<const SiteGrowth*> sites;
  for (const SiteGrowth& site : judgements.heap.sites)
    if (site.call_site.trend == Trend::growing && passes_through(site.call_site.stack, kMakers)) sites.push_back(&site);
  return sites;
}

// All tickers whose tick nobody took, of whatever period.
void find_unread(const model::Model& model, const Judgements& judgements, std::vector<Finding>& findings) {
  const auto& timers = model.resources().series(ResourceKind::timers);
  std::vector<std::uint64_t> sum(timers.points.size());
  std::pair<std::uint64_t, std::uint64_t> most;  // {count, period}
  for (const auto& [key, counts] : timers.counts) {
    if (key.name != "unread ticker") continue;
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += counts[i];
    most = std::max(most, {counts.back(), key.id});
  }
  const Growth growth = judge_growth(count_steps(timers, sum));
  if (sum.empty() || !grows(growth, sum)) return;
  Finding finding = timer_finding(model, timers, growth, sum.front(), sum.back());
  finding.title = "tickers are made and never stopped";
  finding.evidence.insert(
      finding.evidence.begin(),
      {"unread-ticks", fmt::format("{} tickers hold a tick that nobody took, and nobody waits for one; {} of them have "
                                   "a period of {}.",
                                   sum.back(), most.first, format_duration(static_cast<double>(most.second) / 1e9))});
  for (const SiteGrowth* site : growing_makers(judgements)) finding.site_ids.push_back(site->call_site.id);
  if (const auto maker = main_allocator(model, kMakers)) {
    finding.where = maker->where;
    finding.stack = maker->stack;
    finding.evidence.push_back(
        {"made-here", fmt::format("{} of {} sampled tickers that outlived a garbage collection were "
                                  "made here.",
                                  maker->samples, maker->of)});
  } else {
    finding.look_at = "what makes tickers: no sampled allocation that stayed says which line does";
  }
  finding.advice = kStop;
  name_resource_finding(model, "tk", finding);
  findings.push_back(std::move(finding));
}

struct Armed {  // a function literal of the source: inlining makes several of one
  std::vector<Frame> frames;
  std::vector<std::uint64_t> counts;
};

std::vector<Armed> armed_functions(const model::Model& model, const model::ResourceSeries& timers) {
  std::map<std::pair<std::string, std::int32_t>, Armed> by_line;
  for (const auto& [key, counts] : timers.counts) {
    const auto& frames = model.symbols().frames(key.location);
    if (key.name != "function" || frames.empty()) continue;
    Armed& armed = by_line[{frames.front().file, frames.front().line}];
    if (armed.frames.empty()) armed = {frames, std::vector<std::uint64_t>(counts.size())};
    for (std::size_t i = 0; i < counts.size(); ++i) armed.counts[i] += counts[i];
  }
  std::vector<Armed> result;
  for (auto& [line, armed] : by_line) result.push_back(std::move(armed));
  return result;
}

// Functions of AfterFunc that are due within seconds: each that fires is replaced, and more come.
void find_functions(const model::Model& model, std::vector<Finding>& findings) {
  const auto& timers = model.resources().series(ResourceKind::timers);
  for (const Armed& armed : armed_functions(model, timers)) {
    const Growth growth = judge_growth(count_steps(timers, armed.counts));
    if (!grows(growth, armed.counts)) continue;
    Finding finding = timer_finding(model, timers, growth, armed.counts.front(), armed.counts.back());
    finding.title = "functions that re-arm their own timer grow";
    finding.where = armed.frames.front();
    finding.stack = armed.frames;
    finding.evidence.insert(finding.evidence.begin(),
                            {"due-soon", fmt::format("{} calls of {} are due within 3 s, and their number grows: they "
                                                     "are armed again and again.",
                                                     armed.counts.back(), armed.frames.front().function)});
    finding.advice = "keep the timer of time.AfterFunc and stop it when its owner is done: defer t.Stop()";
    name_resource_finding(model, "tk", finding);
    findings.push_back(std::move(finding));
  }
}

// What time.NewTicker allocates grows, and no timer heap shows it: tickers that are held.
void find_held(const model::Model& model, const Judgements& judgements, std::vector<Finding>& findings) {
  const auto sites = growing_makers(judgements);
  if (sites.empty() || !findings.empty()) return;
  const auto* main = *std::max_element(sites.begin(), sites.end(), [](const auto* a, const auto* b) {
    return a->call_site.growth_bytes->value < b->call_site.growth_bytes->value;
  });
  Finding finding;
  finding.kind = "ticker-leak";
  finding.title = "tickers are made, held and never stopped";
  finding.trend = Trend::growing;
  finding.stack = main->call_site.stack;
  finding.where = first_of_program(finding.stack);
  finding.growth_unit = "bytes";
  finding.confidence = Confidence::medium;
  Rate sum;
  std::uint64_t bytes = 0;
  for (const SiteGrowth* site : sites) {
    if (first_of_program(site->call_site.stack) != finding.where) continue;
    finding.verdict = std::max(finding.verdict, site->call_site.verdict);
    finding.site_ids.push_back(site->call_site.id);
    sum.value += site->call_site.growth_bytes->value;
    sum.low += site->call_site.growth_bytes->low;
    sum.high += site->call_site.growth_bytes->high;
    bytes += site->call_site.live_bytes.value_or(0);
  }
  finding.growth = sum;
  if (bytes > 0) finding.bytes = bytes;
  finding.evidence.push_back(
      {"tickers-stay", "What time.NewTicker allocates here stays: the program holds the tickers."});
  finding.advice = kStop;
  finding.not_known = "what holds them";
  name_resource_finding(model, "tk", finding);
  findings.push_back(std::move(finding));
}

}  // namespace

std::vector<Finding> find_ticker_leaks(const model::Model& model, const Judgements& judgements) {
  std::vector<Finding> findings;
  if (model.resources().series(ResourceKind::timers).points.size() >= 6) {
    find_unread(model, judgements, findings);
    find_functions(model, findings);
  }
  find_held(model, judgements, findings);
  return findings;
}

}  // namespace gotrace::detect
