// Growth of creation sites: do births outrun ends, do the old ones stay, and does history agree?
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "detect/frames.h"
#include "detect/goroutine_parts.h"

namespace gotrace::detect {
namespace {

constexpr double kYoungProcessSeconds = 600;
constexpr double kLongHistorySeconds = 1800;  // a ramp does not last so long
constexpr double kLateCrowding = 0.25;        // Kolmogorov distance from an even spread of births

std::vector<Step> steps_of(const model::GoroutineTable& table, const model::Site& site) {
  std::vector<Step> steps;
  const auto series = table.series(site);
  const auto& blocks = table.blocks();
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    if (blocks[i].end_ns <= blocks[i].begin_ns) continue;
    const double settled = series[i].settled;
    const double ended = series[i].ended;
    steps.push_back({seconds_between(blocks[i].begin_ns, blocks[i].end_ns), settled - ended, settled + ended});
  }
  return steps;
}

// Goroutine ids are handed out in order; at the rate seen now, or over the life of the process if that was slower, they
// date births that happened before we looked.
class BirthClock {
 public:
  explicit BirthClock(const model::Model& model) {
    const auto& looks = model.goroutines().looks();
    if (looks.empty()) return;
    end_ns_ = static_cast<double>(looks.back().time_ns);
    newest_ = static_cast<double>(looks.back().newest_goid);
    start_ns_ = model.target() ? static_cast<double>(model.target()->started_ns) : 0;
    const double life = std::max(1.0, end_ns_ - start_ns_);
    double per_ns = newest_ / life;
    const double window = end_ns_ - static_cast<double>(looks.front().time_ns);
    if (window > 0) per_ns = std::min(per_ns, (newest_ - static_cast<double>(looks.front().newest_goid)) / window);
    per_ns_ = per_ns;
  }
  [[nodiscard]] double birth_ns(const model::Goroutine& goroutine, std::uint64_t first_look_ns) const {
    if (goroutine.first_seen_ns > first_look_ns) return static_cast<double>(goroutine.first_seen_ns);
    if (per_ns_ <= 0) return start_ns_;
    const double back = (newest_ - static_cast<double>(goroutine.state.goid)) / per_ns_;
    return std::clamp(end_ns_ - back, start_ns_, static_cast<double>(first_look_ns));
  }
  [[nodiscard]] double start_ns() const { return start_ns_; }
  [[nodiscard]] double end_ns() const { return end_ns_; }

 private:
  double start_ns_ = 0, end_ns_ = 0, newest_ = 0, per_ns_ = 0;
};

void judge_history(SiteJudgement& judged, std::vector<double> births, const BirthClock& clock) {
  const double life = (clock.end_ns() - clock.start_ns()) / 1e9;
  judged.young_process = life < kYoungProcessSeconds;
  if (births.empty()) return;
  std::sort(births.begin(), births.end());
  // The first few may be another generation (a pool of ten that began to grow): the second percentile begins the story.
  const double first = births[births.size() / 50];
  const double span = (clock.end_ns() - first) / 1e9;
  const double late = lateness(births, first, clock.end_ns());
  const bool whole_life = span >= 0.6 * life;
  judged.history_agrees = (whole_life || span >= kLongHistorySeconds) && late <= kLateCrowding;
  judged.history = late > kLateCrowding ? "most of those alive were started lately: a ramp or a leak"
                   : whole_life         ? "those alive were started evenly over the whole life of the process"
                                        : fmt::format("those alive were started over the last {:.0f} s", span);
}

std::vector<Frame> most_frequent_birth(const model::Symbols& symbols, const model::Site& site) {
  const auto most = std::max_element(site.birth_stacks.begin(), site.birth_stacks.end(),
                                     [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == site.birth_stacks.end() ? std::vector<Frame>{} : symbols.expand(most->first);
}

// The line to change: the first creator outside the standard library, where creation stacks are known.
std::optional<Frame> line_to_change(const SiteJudgement& judged) {
  if (judged.created_at.empty()) return std::nullopt;
  if (auto own = first_of_program(judged.created_at)) return own;
  if (auto outer = first_of_program(judged.creation_stack)) return outer;
  return judged.created_at.front();
}

double births_window_seconds(const model::Model& model) {
  for (const auto& [symbol, state] : model.probes())
    if (state.name == "births") return static_cast<double>(state.attached_ns) / 1e9;
  return 0;
}

void judge_one(const model::Model& model, const model::Site& site, SiteJudgement& judged) {
  const auto steps = steps_of(model.goroutines(), site);
  for (const Step& step : steps) {
    judged.watched_seconds += step.seconds;
    judged.settled_births += static_cast<std::uint64_t>((step.events + step.change) / 2);
    judged.settled_ends += static_cast<std::uint64_t>((step.events - step.change) / 2);
  }
  judged.growth = judge_steps(merge_steps(steps, 20));
  judged.old_ones_stay = judged.settled_ends * 3 <= judged.settled_births;
  judged.created_at = model.symbols().frames(site.created_at);
  judged.creation_stack = most_frequent_birth(model.symbols(), site);
  CreationSite& out = judged.site;
  out.where = judged.created_at.empty() ? std::nullopt : std::optional(judged.created_at.front());
  out.id = stable_id("cs", "creation-site", "", judged.created_at);
  out.count = site.alive;
  out.trend = judged.growth.trend;
  if (judged.growth.trend != Trend::unknown || judged.watched_seconds > 0) out.growth = judged.growth.rate;
  if (const double seconds = births_window_seconds(model); seconds > 0) {
    out.births_per_second = static_cast<double>(site.births) / seconds;
    out.ends_per_second = std::max(0.0, *out.births_per_second - judged.growth.rate.value);
  }
}

Verdict verdict_of(const SiteJudgement& judged) {
  if (judged.growth.trend == Trend::unknown) return Verdict::unknown;
  if (judged.growth.trend != Trend::growing) return Verdict::healthy;
  return judged.old_ones_stay && judged.history_agrees ? Verdict::leaking : Verdict::suspected;
}

}  // namespace

std::vector<SiteJudgement> judge_sites(const model::Model& model) {
  const auto& table = model.goroutines();
  std::vector<SiteJudgement> result(table.sites().size());
  std::vector<std::vector<double>> births(result.size());
  const BirthClock clock(model);
  for (const auto& [goid, goroutine] : table.alive()) {
    const std::size_t site = table.site_of(goroutine.state.created_at);
    if (site < births.size() && goroutine.settled)
      births[site].push_back(clock.birth_ns(goroutine, table.first_look_ns()));
  }
  for (std::size_t i = 0; i < result.size(); ++i) {
    judge_one(model, table.sites()[i], result[i]);
    judge_history(result[i], std::move(births[i]), clock);
    result[i].site.verdict = verdict_of(result[i]);
    if (result[i].site.where) result[i].site.where = line_to_change(result[i]);
  }
  return result;
}

}  // namespace gotrace::detect
