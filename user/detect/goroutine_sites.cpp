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
constexpr double kLateCrowding = 0.15;        // Kolmogorov distance from an even spread of births
constexpr double kLateByChance = 1.22;        // over the root of their number: exceeded by 5 % of even spreads
constexpr double kStartUp = 0.1;              // of the process's life: pools and listeners are set up
constexpr std::size_t kEnoughBirths = 8;      // after start-up, to say how they spread
// Where as many bursts end as come, none of so many ends once in 250 times; but for once in 30,000 times all would
// stay.
constexpr double kBurstsToSuspect = 8;
constexpr double kBurstsToAccuse = 15;
constexpr double kLeastOfBursts = 20;  // goroutines

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

// When a goroutine was born. Of those that came while we looked, the look that first saw it and the one before tell,
// and where they are far apart its id. Of those before, only the id does, which is handed out in order: at the pace
// seen now, right when the process set up many goroutines at its start, or evenly between its start and our first look,
// right when that past was as busy as it seems. Ids are rough: a P takes 16 of them at a time (runtime/proc.go,
// newproc1), so where few are born an id may be older than its goroutine by seconds.
class BirthClock {
 public:
  enum class Pace : std::uint8_t { of_window, of_past };

  BirthClock(const model::Model& model, Pace pace) : looks_(model.goroutines().looks()), pace_(pace) {
    const auto& looks = looks_;
    if (looks.empty()) return;
    first_ns_ = static_cast<double>(looks.front().time_ns);
    first_newest_ = static_cast<double>(looks.front().newest_goid);
    end_ns_ = static_cast<double>(looks.back().time_ns);
    newest_ = static_cast<double>(looks.back().newest_goid);
    start_ns_ = model.target() ? static_cast<double>(model.target()->started_ns) : 0;
    const double life = std::max(1.0, end_ns_ - start_ns_);
    per_ns_ = newest_ / life;
    if (end_ns_ > first_ns_) per_ns_ = std::min(per_ns_, (newest_ - first_newest_) / (end_ns_ - first_ns_));
  }
  [[nodiscard]] double birth_ns(const model::GoroutineTable& table, model::GoroutineStore::Slot slot) const {
    const std::uint64_t id = table.alive().goid(slot);
    const auto seen = static_cast<double>(table.first_seen_ns(slot));
    const auto unseen = static_cast<double>(table.last_unseen_ns(slot));
    return unseen == 0 ? before_looks(static_cast<double>(id)) : std::clamp(between_looks(id), unseen, seen);
  }
  [[nodiscard]] double start_ns() const { return start_ns_; }
  [[nodiscard]] double end_ns() const { return end_ns_; }

 private:
  [[nodiscard]] double before_looks(double goid) const {
    if (pace_ == Pace::of_past)
      return first_newest_ > 0 ? start_ns_ + (first_ns_ - start_ns_) * std::min(1.0, goid / first_newest_) : start_ns_;
    if (per_ns_ <= 0) return start_ns_;
    return std::clamp(end_ns_ - (newest_ - goid) / per_ns_, start_ns_, std::max(start_ns_, first_ns_));
  }
  [[nodiscard]] double between_looks(std::uint64_t goid) const {
    const auto after =
        std::lower_bound(looks_.begin(), looks_.end(), goid,
                         [](const model::Look& look, std::uint64_t id) { return look.newest_goid < id; });
    if (after == looks_.end()) return end_ns_;
    if (after == looks_.begin()) return first_ns_;
    const auto before = std::prev(after);
    const double share =
        static_cast<double>(goid - before->newest_goid) / static_cast<double>(after->newest_goid - before->newest_goid);
    const auto from = static_cast<double>(before->time_ns);
    return from + share * (static_cast<double>(after->time_ns) - from);
  }

  const std::vector<model::Look>& looks_;
  Pace pace_;
  double start_ns_ = 0, first_ns_ = 0, end_ns_ = 0, first_newest_ = 0, newest_ = 0, per_ns_ = 0;
};

// What crowds into the last part of the time, beyond what an even spread of so many would by chance.
bool crowd_late(const std::vector<double>& births, double begin, double end) {
  const double chance = kLateByChance / std::sqrt(static_cast<double>(std::max<std::size_t>(1, births.size())));
  return lateness(births, begin, end) > std::max(kLateCrowding, chance);
}

// A ramp may begin long after a pool of the same go statement was set up: those of the start are no history of it.
bool crowd_late_after_start(const std::vector<double>& births, const BirthClock& clock) {
  const double begin = clock.start_ns() + kStartUp * (clock.end_ns() - clock.start_ns());
  const std::vector<double> later(std::lower_bound(births.begin(), births.end(), begin), births.end());
  return later.size() >= kEnoughBirths && later.size() < births.size() && crowd_late(later, begin, clock.end_ns());
}

void judge_history(SiteJudgement& judged, std::vector<double> births, const BirthClock& clock) {
  const double life = (clock.end_ns() - clock.start_ns()) / 1e9;
  judged.young_process = life < kYoungProcessSeconds;
  if (births.empty()) return;
  std::sort(births.begin(), births.end());
  // The first few may be another generation (a pool of ten that began to grow): the second percentile begins the story.
  const double first = births[births.size() / 50];
  const double span = (clock.end_ns() - first) / 1e9;
  const bool late = crowd_late(births, first, clock.end_ns()) || crowd_late_after_start(births, clock);
  const bool whole_life = span >= 0.6 * life;
  judged.history_agrees = (whole_life || span >= kLongHistorySeconds) && !late;
  if (judged.history_agrees && judged.bursts.seconds > 0)
    judged.bursts_of_life = static_cast<double>(judged.bursts.count) * std::max(1.0, span / judged.bursts.seconds);
  judged.history = late         ? "most of those alive were started lately: a ramp or a leak"
                   : whole_life ? "those alive were started evenly over the whole life of the process"
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

// Births that the probe saw. Where it was there all the time they are counted, else they stand for the rest as well.
std::optional<Rate> births_of(const model::Model& model, const model::Site& site) {
  constexpr double kAllTheTime = 0.98;
  for (const auto& [symbol, state] : model.probes()) {
    if (state.name != "births" || state.attached_ns == 0) continue;
    const double seconds = static_cast<double>(state.attached_ns) / 1e9;
    const auto births = static_cast<double>(site.births);
    const bool counted = seconds * 1e9 >= kAllTheTime * static_cast<double>(state.window_ns);
    return counted ? Rate{births / seconds, births / seconds, births / seconds} : rate_of_part(births, seconds);
  }
  return std::nullopt;
}

Rate ends_of(const Rate& births, const Rate& growth) {
  const auto less = [&](double rate) { return std::max(0.0, rate - growth.value); };
  return {less(births.value), less(births.low), less(births.high)};
}

void judge_one(const model::Model& model, const model::Site& site, SiteJudgement& judged) {
  const auto steps = steps_of(model.goroutines(), site);
  for (const Step& step : steps) {
    judged.watched_seconds += step.seconds;
    judged.settled_births += static_cast<std::uint64_t>((step.events + step.change) / 2);
    judged.settled_ends += static_cast<std::uint64_t>((step.events - step.change) / 2);
  }
  judged.growth = judge_steps(merge_steps(steps, 20));
  judged.bursts = find_bursts(steps);
  judged.old_ones_stay = judged.settled_ends * 3 <= judged.settled_births;
  judged.created_at = model.symbols().frames(site.created_at);
  judged.creation_stack = most_frequent_birth(model.symbols(), site);
  CreationSite& out = judged.site;
  out.where = judged.created_at.empty() ? std::nullopt : std::optional(judged.created_at.front());
  out.id = stable_id("cs", "creation-site", "", judged.created_at);
  out.count = site.alive;
  out.trend = judged.growth.trend;
  if (judged.growth.trend != Trend::unknown || judged.watched_seconds > 0) out.growth = judged.growth.rate;
  out.births = births_of(model, site);
  if (out.births) out.ends = ends_of(*out.births, judged.growth.rate);
}

// Of sites whose history did not agree so far.
void judge_histories(const model::Model& model, const BirthClock& clock, std::vector<SiteJudgement>& sites) {
  const auto& table = model.goroutines();
  std::vector<std::vector<double>> births(sites.size());
  const auto& alive = table.alive();
  alive.for_each([&](auto slot) {
    const std::size_t site = table.site_of(alive.common(slot).created_at);
    if (site < births.size() && alive.settled(slot)) births[site].push_back(clock.birth_ns(table, slot));
  });
  for (std::size_t i = 0; i < sites.size(); ++i)
    if (!sites[i].history_agrees) judge_history(sites[i], std::move(births[i]), clock);
}

// What comes in bursts scatters too much to be told from chance by its numbers. Where none ends, the bursts tell: those
// that we saw, and as many before as it takes to have started all that are alive, evenly.
void judge_bursts(SiteJudgement& judged) {
  const bool flat = judged.growth.trend == Trend::flat || judged.growth.trend == Trend::unknown;
  if (!flat || !judged.bursts.none_ended() || judged.bursts.births < kLeastOfBursts) return;
  judged.in_bursts = true;
  const bool enough = judged.bursts.spread && judged.bursts_of_life >= kBurstsToSuspect;
  judged.growth.trend = judged.site.trend = enough ? Trend::growing : Trend::unknown;
  const auto count = static_cast<double>(judged.bursts.count);
  if (!enough || count == 0) return;
  Rate rate = rate_of_part(count, judged.bursts.seconds);
  for (double* value : {&rate.value, &rate.low, &rate.high}) *value *= judged.bursts.births / count;
  judged.growth.rate = rate;
  judged.site.growth = rate;
}

Verdict verdict_of(const SiteJudgement& judged) {
  if (judged.growth.trend == Trend::unknown) return Verdict::unknown;
  if (judged.growth.trend != Trend::growing) return Verdict::healthy;
  if (judged.in_bursts && judged.bursts_of_life < kBurstsToAccuse) return Verdict::suspected;
  return judged.old_ones_stay && judged.history_agrees ? Verdict::leaking : Verdict::suspected;
}

}  // namespace

std::vector<SiteJudgement> judge_sites(const model::Model& model) {
  const auto& table = model.goroutines();
  std::vector<SiteJudgement> result(table.sites().size());
  for (std::size_t i = 0; i < result.size(); ++i) judge_one(model, table.sites()[i], result[i]);
  // Dating is rough: a history agrees when either way of it does.
  judge_histories(model, BirthClock(model, BirthClock::Pace::of_past), result);
  judge_histories(model, BirthClock(model, BirthClock::Pace::of_window), result);
  for (SiteJudgement& judged : result) {
    judge_bursts(judged);
    judged.site.verdict = verdict_of(judged);
    if (judged.site.where) judged.site.where = line_to_change(judged);
  }
  return result;
}

}  // namespace gotrace::detect
