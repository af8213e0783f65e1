#include "probe/guard.h"

#include <fmt/format.h>

#include <algorithm>

namespace gotrace::probe {
namespace {

constexpr double kSecond = 1e9;
// Half of what was, half of what is new, per call (each 100 ms or less): a second of quiet outweighs a burst, and a
// burst of one call must be twice the budget to count.
constexpr double kNewWeight = 0.5;
// A window is at least as long as it takes to attach and detach (30..100 ms), so windows closer than this only churn.
constexpr std::uint64_t kClosestWindows = 5'000'000'000;
constexpr std::uint64_t kFarthestWindows = 120'000'000'000;
// With less than this part of the budget left over, a group is not tried again.
constexpr double kLeastPart = 0.05;
// How far above the budget a single call's share is refused at once, without waiting for the average.
constexpr double kAtOnce = 2.0;

}  // namespace

void Guard::want(Group group, std::uint64_t now_ns) {
  auto& state = at(group);
  state.wanted = true;
  state.next_window_ns = now_ns;
}

void Guard::give_up(Group group) { at(group).wanted = false; }

void Guard::attached(Group group, std::uint64_t now_ns) {
  auto& state = at(group);
  state.attached = true;
  state.measured = false;
  state.attached_at_ns = now_ns;
  state.window_cost_ns = 0;
  ++state.windows;
}

void Guard::detached(Group group, std::uint64_t now_ns) {
  auto& state = at(group);
  state.attached = false;
  state.next_window_ns = std::max(state.next_window_ns, now_ns);
}

void Guard::measure(State& state, const GroupCost& cost, double seconds) {
  const double share = static_cast<double>(cost.cost_ns) / (seconds * kSecond);
  const double rate = static_cast<double>(cost.hits) / seconds;
  state.window_cost_ns += cost.cost_ns;
  if (!state.measured || share > kAtOnce * config_.max_share) {
    state.share = state.measured ? std::max(share, state.share) : share;
    state.hits_per_second = state.measured ? std::max(rate, state.hits_per_second) : rate;
  } else {
    state.share += kNewWeight * (share - state.share);
    state.hits_per_second += kNewWeight * (rate - state.hits_per_second);
  }
  state.measured = true;
}

bool Guard::fits(double share, double hits_per_second) const {
  if (share > config_.max_share) return false;
  return config_.max_hits_per_second == 0 || hits_per_second <= static_cast<double>(config_.max_hits_per_second);
}

// The next window is so far away that the one that just ended is paid for by then.
void Guard::refuse(State& state, double share_left, std::uint64_t now_ns) {
  state.refused = true;
  const double share = std::max(share_left, kLeastPart * config_.max_share);
  const double wait = share > 0 ? static_cast<double>(state.window_cost_ns) / share : 0;
  const double bounded = std::clamp(wait, static_cast<double>(kClosestWindows), static_cast<double>(kFarthestWindows));
  state.next_window_ns = now_ns + static_cast<std::uint64_t>(bounded);
}

std::vector<GuardAction> Guard::judge(const std::array<GroupCost, kGroups>& costs, std::uint64_t now_ns) {
  std::vector<GuardAction> actions;
  const std::uint64_t since = judged_ns_;
  judged_ns_ = now_ns;
  double share = 0;
  double rate = 0;
  bool tried = false;
  for (std::size_t i = 0; i < kGroups; ++i) {
    auto& state = states_[i];
    const auto group = static_cast<Group>(i);
    if (state.attached) {
      const std::uint64_t from = std::max(since, state.attached_at_ns);
      if (now_ns > from) measure(state, costs[i], static_cast<double>(now_ns - from) / kSecond);
      if (!state.wanted || !fits(share + state.share, rate + state.hits_per_second)) {
        if (state.wanted) refuse(state, config_.max_share - share, now_ns);
        actions.push_back({group, false});
        continue;
      }
      share += state.share;
      rate += state.hits_per_second;
    } else if (state.wanted && !tried && now_ns >= state.next_window_ns) {
      const bool room = config_.max_share > 0 && config_.max_share - share >= kLeastPart * config_.max_share;
      if (!room) {
        state.refused = true;
        continue;
      }
      tried = true;
      actions.push_back({group, true});
    }
  }
  return actions;
}

void Guard::late_cost(Group group, const GroupCost& cost) {
  auto& state = at(group);
  if (!state.refused || state.window_cost_ns == 0) return;
  const std::uint64_t before = state.window_cost_ns;
  state.window_cost_ns += cost.cost_ns;
  const double longer = static_cast<double>(state.window_cost_ns) / static_cast<double>(before);
  if (state.next_window_ns <= judged_ns_) return;
  const double wait = static_cast<double>(state.next_window_ns - judged_ns_) * longer;
  state.next_window_ns = judged_ns_ + static_cast<std::uint64_t>(std::min(wait, static_cast<double>(kFarthestWindows)));
}

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
  if (fits(state.share, 0) && config_.max_hits_per_second != 0) {
    return fmt::format("{:.0f} hits/s; the limit is {}", state.hits_per_second, config_.max_hits_per_second);
  }
  if (fits(state.share, state.hits_per_second)) {
    return fmt::format("{:.0f} hits/s would cost {:.2g} % of a core; too little of the limit of {:.3g} % is left",
                       state.hits_per_second, 100 * state.share, 100 * config_.max_share);
  }
  return fmt::format("{:.0f} hits/s would cost {:.2g} % of a core; the limit is {:.3g} %", state.hits_per_second,
                     100 * state.share, 100 * config_.max_share);
}

}  // namespace gotrace::probe
