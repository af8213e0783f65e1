#include "probe/guard.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace gotrace::probe {
namespace {

constexpr double kSecond = 1e9;
// Half of what was, half of what is new, per call (each 100 ms or less).
constexpr double kNewWeight = 0.5;
// Attaching and detaching takes 30..100 ms: windows closer or shorter than this only churn.
constexpr std::uint64_t kClosestWindows = 5'000'000'000;
constexpr double kUsefulWindow = 0.5;  // seconds
// However dear, a window is tried when so many seconds of the group's part are saved up.
constexpr double kMostSaved = 60;
// What a group that fits may spend at once, in seconds of the whole budget: bursts.
constexpr double kBurst = 2;
// With less than this part of the budget left over, nothing new is tried.
constexpr double kLeastPart = 0.05;
// A group that takes this much of a core, and does not fit, is taken out whatever it has saved.
constexpr double kHardShare = 0.10;
// How the groups that do not fit divide what is left.
constexpr std::array<double, kGroups> kWeights{4, 4, 1, 2};

}  // namespace

void Guard::want(Group group, std::uint64_t now_ns) {
  auto& state = at(group);
  state.wanted = true;
  state.next_window_ns = std::max(state.next_window_ns, now_ns);
}

void Guard::give_up(Group group) { at(group).wanted = false; }

void Guard::attached(Group group, std::uint64_t now_ns) {
  auto& state = at(group);
  state.attached = true;
  state.measured = false;
  state.attached_at_ns = now_ns;
  ++state.windows;
}

void Guard::detached(Group group, std::uint64_t now_ns) {
  auto& state = at(group);
  state.attached = false;
  state.next_window_ns = std::max(state.next_window_ns, now_ns);
}

void Guard::measure(State& state, const GroupCost& cost, double seconds) const {
  const double share = static_cast<double>(cost.cost_ns) / (seconds * kSecond);
  const double rate = static_cast<double>(cost.hits) / seconds;
  const double weight = state.measured ? kNewWeight : 1;
  state.share += weight * (share - state.share);
  state.hits_per_second += weight * (rate - state.hits_per_second);
  state.measured = true;
}

// By priority: who fits into what is left by those before; then what remains, for those who do not.
std::array<Guard::Part, kGroups> Guard::divide() const {
  std::array<Part, kGroups> parts{};
  double left = config_.max_share;
  double rate_left = config_.max_hits_per_second == 0 ? HUGE_VAL : static_cast<double>(config_.max_hits_per_second);
  double weights = 0;
  for (std::size_t i = 0; i < kGroups; ++i) {
    const auto& state = states_[i];
    if (!state.wanted) continue;
    parts[i].fits = state.windows > 0 && state.share <= left && state.hits_per_second <= rate_left;
    if (parts[i].fits && state.attached) {
      left -= state.share;
      rate_left -= state.hits_per_second;
    } else {
      weights += kWeights[i];
    }
  }
  for (std::size_t i = 0; i < kGroups; ++i) {
    const auto& state = states_[i];
    if (!state.wanted) continue;
    parts[i].share = parts[i].fits && state.attached ? state.share + left : left * kWeights[i] / weights;
  }
  return parts;
}

bool Guard::worth_a_window(const State& state, const Part& part, std::uint64_t now_ns) const {
  if (part.share < kLeastPart * config_.max_share || part.share <= 0) return false;
  if (state.windows == 0) return true;
  if (now_ns < state.next_window_ns) return false;
  const double wanted = std::min(state.share * kUsefulWindow, part.share * kMostSaved) * kSecond;
  return state.saved_ns >= wanted;
}

std::vector<GuardAction> Guard::judge(const std::array<GroupCost, kGroups>& costs, std::uint64_t now_ns) {
  std::vector<GuardAction> actions;
  const double elapsed = judged_ns_ == 0 || now_ns < judged_ns_ ? 0 : static_cast<double>(now_ns - judged_ns_);
  for (std::size_t i = 0; i < kGroups; ++i) {
    auto& state = states_[i];
    const std::uint64_t from = std::max(judged_ns_, state.attached_at_ns);
    if (state.attached && now_ns > from) measure(state, costs[i], static_cast<double>(now_ns - from) / kSecond);
  }
  judged_ns_ = now_ns;
  const auto parts = divide();
  bool tried = false;
  for (std::size_t i = 0; i < kGroups; ++i) {
    auto& state = states_[i];
    const auto& part = parts[i];
    const auto group = static_cast<Group>(i);
    const double most = part.fits && state.attached ? kBurst * config_.max_share : kMostSaved * part.share;
    state.saved_ns =
        std::min(state.saved_ns + part.share * elapsed - static_cast<double>(costs[i].cost_ns), most * kSecond);
    if (state.attached) {
      const bool too_often =
          config_.max_hits_per_second != 0 && state.hits_per_second > static_cast<double>(config_.max_hits_per_second);
      const bool spent = state.saved_ns < 0 || too_often || state.share > std::max(kHardShare, config_.max_share);
      const bool too_dear = state.measured && !part.fits && spent;
      if (state.wanted && !too_dear) continue;
      state.refused = state.refused || state.wanted;
      state.next_window_ns = now_ns + kClosestWindows;
      actions.push_back({group, false});
    } else if (state.wanted && !tried) {
      tried = worth_a_window(state, part, now_ns);
      if (tried) actions.push_back({group, true});
      if (!tried && state.windows == 0) state.refused = true;
    }
  }
  return actions;
}

void Guard::late_cost(Group group, const GroupCost& cost) { at(group).saved_ns -= static_cast<double>(cost.cost_ns); }

Guard::View Guard::view(Group group) const {
  const auto& state = at(group);
  View view{state.wanted, state.attached, state.refused, state.windows, state.share, state.hits_per_second, {}};
  if (state.wanted && !state.attached) view.next_window_ns = state.next_window_ns;
  return view;
}

std::string Guard::refusal(Group group) const {
  const auto& state = at(group);
  if (config_.max_share <= 0) return "the overhead allowed is 0";
  if (state.windows == 0) return fmt::format("the limit of {:.3g} % of a core is used up", 100 * config_.max_share);
  if (state.share <= config_.max_share && config_.max_hits_per_second != 0) {
    return fmt::format("{:.0f} hits/s; the limit is {}", state.hits_per_second, config_.max_hits_per_second);
  }
  if (state.share <= config_.max_share) {
    return fmt::format("{:.0f} hits/s would cost {:.2g} % of a core; too little of the limit of {:.3g} % is left",
                       state.hits_per_second, 100 * state.share, 100 * config_.max_share);
  }
  return fmt::format("{:.0f} hits/s would cost {:.2g} % of a core; the limit is {:.3g} %", state.hits_per_second,
                     100 * state.share, 100 * config_.max_share);
}

}  // namespace gotrace::probe
