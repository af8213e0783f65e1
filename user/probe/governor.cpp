#include "probe/governor.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace gotrace::probe {
namespace {

constexpr double kSecond = 1e9;
// Rates and shares are smoothed with this time constant, ns.
constexpr double kMemory = 150e6;
// Attaching and detaching is work for the kernel: windows closer than this only churn.
constexpr std::uint64_t kClosestWindows = 250'000'000;
// While a probe goes in or out the kernel waits for RCU grace periods, on any place of any program, and what runs
// meanwhile is slower: this part of each CPU's time, as caddy under wrk lost it (docs/benchmarks.md, "Attaching").
constexpr double kSwitchShare = 0.2;
constexpr double kShortestWindow = 10e6;  // ns; shorter ones see nothing
constexpr double kLongestWindow = 500e6;
// A group whose rate nothing foretells is tried for so long.
constexpr double kTrial = 20e6;
// What may be spent at once, in seconds of a group's part: so the budget holds over windows of about a second.
constexpr double kBurst = 1;
// How much more than a window may be saved up, or what the others spend in the same moment would keep it shut.
constexpr double kAhead = 1.25;
// How far all together may overdraw, in seconds of the budget, before the dearest is taken out.
constexpr double kDebt = 0.5;
// With less than this part of the budget left over, nothing new is tried.
constexpr double kLeastPart = 0.02;
// A group is attached full-time when it takes at most this much of what is left, so that it does not flap.
constexpr double kComfort = 0.8;
// However much was saved: a group that does not fit and slows a CPU by this much is taken out at once.
constexpr double kHardShare = 0.10;
// Hits that tell what one costs.
constexpr std::uint64_t kEnoughHits = 50;
// How the groups that do not fit divide what is left.
constexpr std::array<double, kGroups> kWeights{4, 4, 1, 2, 4};
constexpr std::array kPriority{Group::lifecycle, Group::allocations, Group::parks, Group::large, Group::mallocs};

double weight_of(double elapsed_ns, double memory_ns) { return 1 - std::exp(-elapsed_ns / memory_ns); }

}  // namespace

Governor::Governor(const GovernorConfig& config) : config_(config) {
  for (std::size_t i = 0; i < kGroups; ++i) {
    states_[i].hit_ns = config.hit_ns[i];
    states_[i].detach_ns = static_cast<double>(config.detach_ns[i]);
    states_[i].detach_took_ns = static_cast<double>(config.switch_ns[i]);  // of both
  }
}

void Governor::want(Group group, bool whole) {
  at(group).wanted = true;
  at(group).whole = whole;
}

void Governor::give_up(Group group) { at(group).wanted = false; }

void Governor::forecast(Group group, std::optional<double> hits_per_second) {
  auto& state = at(group);
  state.forecast = hits_per_second;
  if (!state.attached) foresee(state);
}

// What a group that is detached would have now. Without a forecast: what it had when it was last attached.
void Governor::foresee(State& state) const {
  if (!state.forecast) return;
  state.hits_per_second = *state.forecast * state.correction;
  state.share = state.hits_per_second * state.hit_ns / kSecond;
}

void Governor::attached(Group group, std::uint64_t took_ns, std::uint64_t now_ns) {
  auto& state = at(group);
  if (state.windows == 0) state.detach_took_ns -= std::min(state.detach_took_ns, static_cast<double>(took_ns));
  state.attach_took_ns = static_cast<double>(took_ns);
  state.on_trial = !known(state);
  pay_for_switching(state, took_ns);
  // What stays is put in once: to take others out for that would cost again.
  if (!state.window_ns && !state.on_trial) balance_ns_ += switching_ns(state.attach_took_ns);
  state.attached = true;
  state.measured = false;
  state.attached_at_ns = now_ns;
  state.window_cost_ns = 0;
  if (state.window_ns) state.window_end_ns = now_ns + static_cast<std::uint64_t>(*state.window_ns);
  ++state.windows;
}

void Governor::detached(Group group, const GroupCost& late, std::uint64_t took_ns, std::uint64_t now_ns) {
  auto& state = at(group);
  if (state.attached) {
    const double most = static_cast<double>(took_ns);
    const double late_ns =
        state.hits_per_second > 0 ? static_cast<double>(late.hits) / state.hits_per_second * kSecond : most;
    state.detach_ns += 0.5 * (std::min(late_ns, most) - state.detach_ns);
    state.detach_took_ns += 0.5 * (most - state.detach_took_ns);
    pay_for_switching(state, took_ns);
  }
  state.attached = false;
  state.window_ns.reset();
  state.next_window_ns = now_ns + kClosestWindows;
  state.saved_ns -= static_cast<double>(late.cost_ns);
  spend(static_cast<double>(late.cost_ns));
}

void Governor::spend(double cost_ns) {
  spent_ns_ += cost_ns;
  balance_ns_ -= cost_ns;
}

double Governor::switching_ns(double took_ns) const { return kSwitchShare * took_ns * used_; }

void Governor::pay_for_switching(State& state, std::uint64_t took_ns) {
  const double cost = switching_ns(static_cast<double>(took_ns));
  spent_ns_ += cost;
  if (state.on_trial) return;  // once, and what it costs is not known yet: counted, not saved up for
  state.saved_ns -= cost;
  balance_ns_ -= cost;
}

// What a hit costs here and how the forecast must be corrected: learnt while attached, used when not.
void Governor::learn(State& state, const GroupCost& cost) const {
  if (cost.hits < kEnoughHits) return;
  const double hit_ns = static_cast<double>(cost.cost_ns) / static_cast<double>(cost.hits);
  state.hit_ns += (state.hit_known ? 0.3 : 1.0) * (hit_ns - state.hit_ns);
  state.hit_known = true;
  const double part =
      static_cast<double>(cost.busiest_ns) / static_cast<double>(std::max<std::uint64_t>(1, cost.cost_ns));
  state.concentration += 0.3 * (std::clamp(part, 0.0, 1.0) - state.concentration);
  if (state.forecast && *state.forecast > 0)
    state.correction += 0.2 * (std::clamp(state.hits_per_second / *state.forecast, 0.1, 10.0) - state.correction);
}

void Governor::measure(State& state, const GroupCost& cost, double elapsed_ns, std::uint64_t now_ns) const {
  const double since = static_cast<double>(now_ns - std::min(now_ns, state.attached_at_ns));
  const double seconds = std::max(1.0, std::min(elapsed_ns, since)) / kSecond;
  const double share = static_cast<double>(cost.cost_ns) / (seconds * kSecond);
  const double rate = static_cast<double>(cost.hits) / seconds;
  const double weight = state.measured ? weight_of(elapsed_ns, kMemory) : 1;
  state.share += weight * (share - state.share);
  state.hits_per_second += weight * (rate - state.hits_per_second);
  state.measured = true;
  state.window_cost_ns += static_cast<double>(cost.busiest_ns);
  learn(state, cost);
}

// By priority: who fits into what is left by those before; then what remains, for those who do not.
std::array<Governor::Part, kGroups> Governor::divide() const {
  std::array<Part, kGroups> parts{};
  double left = config_.max_share * base_;
  double weights = 0;
  bool large_fits = true;
  for (const Group group : kPriority) {
    const auto i = static_cast<std::size_t>(group);
    const auto& state = states_[i];
    if (!state.wanted) continue;
    const bool full_time = state.attached && !state.window_ns;
    parts[i].fits = known(state) && state.share <= (full_time ? left : kComfort * left);
    // Every allocation counted is worth little where the large ones can't even be followed: these get what is left.
    if (state.whole && !large_fits) parts[i].fits = false;
    if (parts[i].fits) {
      left -= state.share;
    } else if (!state.whole && !too_long(state)) {
      weights += kWeights[i];
      if (group == Group::large) large_fits = false;
    }
  }
  for (std::size_t i = 0; i < kGroups; ++i) {
    const auto& state = states_[i];
    if (!state.wanted || (!parts[i].fits && (state.whole || too_long(state)))) continue;
    parts[i].share = parts[i].fits ? state.share + left : left * kWeights[i] / weights;
  }
  return parts;
}

// Open time: what may be slowed at a stretch, less what comes in while it is taken out.
double Governor::longest_window_ns(const State& state) const {
  if (!known(state)) return kTrial;
  const double slowed = state.share * state.concentration;
  if (slowed <= 0) return kLongestWindow;
  return std::min(kLongestWindow, static_cast<double>(config_.stretch_ns) / slowed - state.detach_ns);
}

// What a whole window costs, with putting its probes in and taking them out.
double Governor::window_ns_to_save(const State& state) const {
  if (!known(state)) return 0;
  return state.share * (longest_window_ns(state) + state.detach_ns) +
         switching_ns(state.attach_took_ns + state.detach_took_ns);
}

// What the windows that are open now will still cost.
double Governor::promised_ns() const {
  double promised = 0;
  for (const auto& state : states_) {
    if (state.attached && state.window_ns) promised += std::max(0.0, window_ns_to_save(state) - state.window_cost_ns);
  }
  return promised;
}

bool Governor::too_long(const State& state) const { return longest_window_ns(state) < kShortestWindow; }

bool Governor::worth_a_window(const State& state, const Part& part, std::uint64_t now_ns) const {
  if (part.fits) return part.share > 0 && state.saved_ns >= 0;
  if (part.share <= 0 || part.share < kLeastPart * config_.max_share * base_) return false;
  if (now_ns < state.next_window_ns || too_long(state)) return false;
  return state.saved_ns >= window_ns_to_save(state);
}

// A window has an end. Who is there full-time goes when it does not fit any more and has spent what a burst may take.
bool Governor::must_go(const State& state, const Part& part, std::uint64_t now_ns) const {
  if (!state.wanted) return true;
  const double slowing = state.share * state.concentration;
  if (state.window_ns) {
    const double at_end = state.window_cost_ns + slowing * state.detach_ns;
    return now_ns >= state.window_end_ns || at_end >= static_cast<double>(config_.stretch_ns);
  }
  return state.measured && !part.fits && (state.saved_ns < 0 || slowing > std::max(kHardShare, config_.max_share));
}

void Governor::account(State& state, const Part& part, const GroupCost& cost, double elapsed_ns) const {
  const double most = std::max(kBurst * part.share * kSecond, part.fits ? 0 : kAhead * window_ns_to_save(state));
  state.saved_ns = std::min(state.saved_ns + part.share * elapsed_ns - static_cast<double>(cost.cost_ns), most);
}

// Bursts of several groups add up, and a burst is over before it can be seen: then all together owe.
std::optional<std::size_t> Governor::overdrawn() const {
  if (balance_ns_ > -kDebt * config_.max_share * base_ * kSecond) return std::nullopt;
  std::optional<std::size_t> dearest;
  for (std::size_t i = 0; i < kGroups; ++i) {
    if (states_[i].attached && (!dearest || states_[i].share > states_[*dearest].share)) dearest = i;
  }
  return dearest;
}

std::vector<GovernorAction> Governor::judge(const std::array<GroupCost, kGroups>& costs, std::uint64_t now_ns) {
  std::vector<GovernorAction> actions;
  // A clock that stands or goes back allows nothing; one that jumps allows no more than a burst.
  const double elapsed = judged_ns_ == 0 || now_ns < judged_ns_ ? 0 : static_cast<double>(now_ns - judged_ns_);
  judged_ns_ = now_ns;
  const double budget = config_.max_share * base_;
  base_ns_ += base_ * elapsed;
  for (std::size_t i = 0; i < kGroups; ++i) {
    if (states_[i].attached && elapsed > 0) measure(states_[i], costs[i], elapsed, now_ns);
  }
  const auto parts = divide();
  double most = kBurst * budget * kSecond;
  for (std::size_t i = 0; i < kGroups; ++i) {
    if (!parts[i].fits && parts[i].share > 0) most = std::max(most, kAhead * window_ns_to_save(states_[i]));
  }
  balance_ns_ = std::min(balance_ns_ + budget * elapsed, most);
  for (const auto& cost : costs) spend(static_cast<double>(cost.cost_ns));
  const auto dearest = overdrawn();
  bool opened = false;  // a window; those that fit are attached at once
  for (std::size_t i = 0; i < kGroups; ++i) {
    auto& state = states_[i];
    const auto& part = parts[i];
    account(state, part, costs[i], elapsed);
    if (state.attached) {
      if (part.fits) state.window_ns.reset();  // it may stay
      if (!must_go(state, part, now_ns) && dearest != i) continue;
      state.refused = state.refused || state.wanted;
      actions.push_back({static_cast<Group>(i), false});
    } else if (state.wanted) {
      state.refused = state.refused || (!part.fits && known(state));
      const double needed = part.fits ? 0 : window_ns_to_save(state) + promised_ns();
      if ((opened && !part.fits) || balance_ns_ < needed || !worth_a_window(state, part, now_ns)) continue;
      if (!part.fits) state.window_ns = longest_window_ns(state);
      opened = opened || !part.fits;
      actions.push_back({static_cast<Group>(i), true});
    }
  }
  return actions;
}

std::optional<std::uint64_t> Governor::due_ns() const {
  std::optional<std::uint64_t> due;
  for (const auto& state : states_) {
    if (state.attached && state.window_ns) due = std::min(due.value_or(UINT64_MAX), state.window_end_ns);
  }
  return due;
}

Governor::View Governor::view(Group group) const {
  const auto& state = at(group);
  return {state.wanted,
          state.attached,
          state.refused,
          state.windows,
          state.share,
          state.hits_per_second,
          !state.attached && !state.whole && known(state) && too_long(state)};
}

std::string Governor::refusal(Group group) const {
  const auto& state = at(group);
  const double limit = 100 * config_.max_share;
  if (config_.max_share <= 0) return "the overhead allowed is 0";
  if (!known(state)) return fmt::format("the limit of {:.3g} % is used up", limit);
  const auto cost =
      fmt::format("{:.0f} hits/s would cost {:.2g} % of a core", state.hits_per_second, 100 * state.share);
  if (too_long(state) && !state.whole) {
    const double slowed = state.share * state.concentration * (kShortestWindow + state.detach_ns);
    return fmt::format("{}, and {:.0f} ms at a stretch in the shortest window; the limits are {:.3g} % and {} ms", cost,
                       slowed / 1e6, limit, config_.stretch_ns / 1'000'000);
  }
  if (state.share <= config_.max_share * base_)
    return fmt::format("{}; too little of the limit of {:.3g} % is left", cost, limit);
  return fmt::format("{}; the limit is {:.3g} %", cost, limit);
}

}  // namespace gotrace::probe
