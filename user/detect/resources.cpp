#include "detect/resources.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/units.h"
#include "detect/frames.h"

namespace gotrace::detect {
namespace {

constexpr double kYoungProcessSeconds = 600;
constexpr double kFarAway = 30.0 * 86400;

double seconds_between(std::uint64_t begin_ns, std::uint64_t end_ns) {
  return end_ns > begin_ns ? static_cast<double>(end_ns - begin_ns) / 1e9 : 0;
}

}  // namespace

std::vector<Step> total_steps(const model::ResourceSeries& series) {
  std::vector<std::uint64_t> totals;
  for (const auto& point : series.points) totals.push_back(point.total);
  return count_steps(series, totals);
}

std::vector<Step> count_steps(const model::ResourceSeries& series, const std::vector<std::uint64_t>& counts) {
  std::vector<Step> steps;
  const auto& points = series.points;
  for (std::size_t i = 1; i < std::min(points.size(), counts.size()); ++i) {
    const double change = static_cast<double>(counts[i]) - static_cast<double>(counts[i - 1]);
    steps.push_back({seconds_between(points[i - 1].time_ns, points[i].time_ns), change, std::fabs(change)});
  }
  return steps;
}

// What the first look saw settles at the second, and what came until the second at the third: counted from there.
std::vector<Step> settled_steps(const model::ResourceSeries& series) {
  std::vector<Step> steps;
  const auto& points = series.points;
  for (std::size_t i = 2; i < points.size(); ++i) {
    const auto arrived = static_cast<double>(points[i].arrived);
    const auto left = static_cast<double>(points[i].left);
    steps.push_back({seconds_between(points[i - 2].time_ns, points[i - 1].time_ns), arrived - left, arrived + left});
  }
  return steps;
}

Growth judge_growth(const std::vector<Step>& steps) { return judge_steps(merge_steps(steps, 20)); }

History judge_history(const model::Model& model, std::uint64_t first_ns, double count_then, double rate,
                      std::string_view what) {
  constexpr double kLow = 0.4;
  constexpr double kHigh = 2.5;
  History history;
  const std::uint64_t started = model.target() ? model.target()->started_ns : 0;
  if (started == 0 || first_ns <= started || rate <= 0) return history;
  const double age = seconds_between(started, first_ns);
  const double mean = count_then / age;
  history.young_process = age < kYoungProcessSeconds;
  history.agrees = mean >= kLow * rate && mean <= kHigh * rate;
  const std::string part = history.agrees ? "about as much a second as now"
                           : mean < rate  ? "far less a second than now: a ramp or a leak that began lately"
                                          : "more a second than now";
  history.text = fmt::format("{} in the {} before we looked by {}.", what, format_duration(age), part);
  return history;
}

void judge_verdict(const History& history, Finding& finding) {
  finding.verdict = history.agrees ? Verdict::leaking : Verdict::suspected;
  finding.trend = Trend::growing;
  finding.confidence = history.agrees && !history.young_process ? Confidence::high
                       : history.agrees                         ? Confidence::medium
                                                                : Confidence::low;
  if (!history.text.empty())
    finding.evidence.push_back({history.agrees ? "history-agrees" : "history-differs", history.text});
  if (history.young_process)
    finding.evidence.push_back(
        {"young-process", "The process is younger than 10 minutes; a longer look would be surer."});
  if (finding.verdict == Verdict::suspected)
    finding.not_known = "whether it goes on: look again in some minutes, or longer with --duration";
}

void doubt_few_looks(std::size_t looks, Finding& finding) {
  constexpr std::size_t kEnough = 8;
  if (looks >= kEnough || finding.verdict != Verdict::leaking) return;
  finding.verdict = Verdict::suspected;
  finding.confidence = Confidence::low;
  finding.not_known = "whether it goes on: there was time for few looks only; look longer, --duration 1m";
}

std::string limit_text(std::uint64_t limit, std::uint64_t used, const Rate& rate, std::string_view what) {
  if (limit == 0 || limit <= used || rate.value <= 0) return {};
  const double seconds = static_cast<double>(limit - used) / rate.value;
  if (seconds > kFarAway) return {};
  return fmt::format("{} is {}: reached in about {}.", what, limit, format_duration(seconds));
}

bool same_growth(const Rate& a, const Rate& b) {
  if (a.value <= 0 || b.value <= 0) return false;
  const double ratio = a.value / b.value;
  return ratio > 0.75 && ratio < 1.34;
}

void name_resource_finding(const model::Model& model, std::string_view prefix, Finding& finding) {
  std::vector<Frame> frames = finding.stack;
  if (frames.empty() && finding.where) frames.push_back(*finding.where);
  finding.id = stable_id(prefix, finding.kind, finding.wait_reason, frames);
  finding.exact_id =
      exact_id(prefix, finding.kind, finding.wait_reason, frames, model.target() ? model.target()->build_id : "");
}

}  // namespace gotrace::detect
