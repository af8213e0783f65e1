// Findings of kind fd-leak: open files that come and stay.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "detect/allocators.h"
#include "detect/detector.h"
#include "detect/resources.h"

namespace gotrace::detect {
namespace {

constexpr double kLeastGrowth = 10;  // files, during the window: fewer may be anything
constexpr std::size_t kLeastPoints = 6;
constexpr std::uint64_t kAtStart = 16;  // of a Go service that has just begun: logs, listeners, epoll

constexpr std::array<std::string_view, 8> kOpeners = {
    "os.newFile", "os.NewFile", "os.OpenFile", "os.openFileNolog",
    "os.Pipe",    "net.newFD",  "net.socket",  "net.(*netFD).accept",
};

struct KindGrowth {
  std::string kind;
  double change = 0;
  std::uint64_t count = 0;
};

// The kind of file that grew most.
KindGrowth main_kind(const model::ResourceSeries& series) {
  KindGrowth most;
  for (const auto& [key, counts] : series.counts) {
    const double change = static_cast<double>(counts.back()) - static_cast<double>(counts.front());
    if (change > most.change) most = {key.name, change, counts.back()};
  }
  return most;
}

// By identity where each file could be looked at: what comes and goes is told from what stays.
bool old_ones_stay(const std::vector<Step>& settled) {
  double arrived = 0;
  double left = 0;
  for (const Step& step : settled) {
    arrived += (step.events + step.change) / 2;
    left += (step.events - step.change) / 2;
  }
  return left * 3 <= arrived;
}

std::string plural_of(const std::string& kind) { return kind == "other" ? "files of other kinds" : kind + "s"; }

void add_kinds(const model::Model& model, const model::ResourceSeries& series, double total, Finding& finding) {
  const KindGrowth kind = main_kind(series);
  if (kind.change * 2 > total)
    finding.evidence.push_back(
        {"kind-grows", fmt::format("{:.0f} of the {:.0f} that were added are {}; {} are open.",
                                   std::min(kind.change, total), total, plural_of(kind.kind), kind.count)});
  const auto& sockets = model.resources().series(ResourceKind::sockets);
  for (const auto& [key, counts] : sockets.counts) {
    if (key.name != "tcp CLOSE_WAIT" || counts.back() < 3) continue;
    finding.evidence.push_back(
        {"close-wait", fmt::format("{} connections are in CLOSE_WAIT: the peer has closed them, this program has not.",
                                   counts.back())});
  }
}

void add_opener(const model::Model& model, const Judgements& judgements, Finding& finding) {
  for (const SiteGrowth& site : judgements.heap.sites)
    if (passes_through(site.call_site.stack, kOpeners)) finding.site_ids.push_back(site.call_site.id);
  const auto opener = main_allocator(model, kOpeners);
  if (!opener) {
    finding.look_at = "what opens them: no sampled allocation that stayed says which line does";
    finding.advice = "close what is opened on every path: defer f.Close() right after the error check";
    return;
  }
  finding.where = opener->where;
  finding.stack = opener->stack;
  finding.evidence.push_back(
      {"opened-here", fmt::format("{} of {} sampled allocations for opened files that outlived a "
                                  "garbage collection were made here.",
                                  opener->samples, opener->of)});
  finding.advice = "close it on every path: defer f.Close() right after the error check";
}

}  // namespace

std::vector<Finding> find_open_file_leaks(const model::Model& model, const Judgements& judgements) {
  const auto& series = model.resources().series(ResourceKind::open_files);
  if (series.points.size() < kLeastPoints) return {};
  const auto total = total_steps(series);
  const auto settled = settled_steps(series);
  const bool each_known = series.complete;
  const Growth growth = judge_growth(each_known ? settled : total);
  const auto& last = series.points.back();
  const double change = static_cast<double>(last.total) - static_cast<double>(series.points.front().total);
  if (growth.trend != Trend::growing || change < kLeastGrowth) return {};
  // Both must say so: files that come faster than they go, and a number that rises to the end.
  const Growth number = judge_growth(total);
  const bool rises = number.rate.value > 0 && number.trend != Trend::plateaued;
  if (each_known && (!old_ones_stay(settled) || !rises)) return {};
  Finding finding;
  finding.kind = "fd-leak";
  finding.title = "open files grow";
  finding.count = last.total;
  finding.growth = growth.rate;
  finding.growth_unit = "files";
  finding.evidence.push_back(
      {"growth-steady", fmt::format("Open files went from {} to {}.", series.points.front().total, last.total)});
  add_kinds(model, series, change, finding);
  if (const auto text = limit_text(last.limit, last.total, growth.rate, "Their limit (RLIMIT_NOFILE)"); !text.empty())
    finding.evidence.push_back({"limit", text});
  const std::uint64_t first = series.points.front().total;
  judge_verdict(
      judge_history(model, series.points.front().time_ns, static_cast<double>(first > kAtStart ? first - kAtStart : 0),
                    growth.rate.value, "Their number grew"),
      finding);
  doubt_few_looks(series.points.size(), finding);
  add_opener(model, judgements, finding);
  name_resource_finding(model, "fd", finding);
  return {finding};
}

}  // namespace gotrace::detect
