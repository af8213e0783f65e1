// Guard: keeps what the probes take from the target within the budget. Pure: it is told costs and times and answers
// what to attach and detach; it touches nothing.
//
// A probe's cost is the trap, so there is no cheaper way to stay within the budget than to take probes out. Groups of
// probes that fit into it, in order of priority, stay attached. Those that do not share what is left: each saves its
// part up, is attached in windows, and is taken out when a window has spent what was saved. So the average stays within
// the budget whatever the target does, and at any moment a single group takes at most kHardShare, for one call's time.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace gotrace::probe {

// What goes on and off together, by priority. Births and ends pair, so they share a group.
enum class Group : std::uint8_t { lifecycle, allocations, parks, mallocs };
constexpr std::size_t kGroups = 4;

struct GuardConfig {
  double max_share = 0.01;                // of one core; 0: nothing may be attached
  std::uint64_t max_hits_per_second = 0;  // of all probes together; 0: no limit but max_share
};

// What one group cost since the last time it was told.
struct GroupCost {
  std::uint64_t hits = 0;
  std::uint64_t cost_ns = 0;  // traps x calibrated cost + time in the programs
};

struct GuardAction {
  Group group = Group::lifecycle;
  bool attach = false;  // false: detach
  friend bool operator==(const GuardAction&, const GuardAction&) = default;
};

class Guard {
 public:
  explicit Guard(const GuardConfig& config) : config_(config) {}

  // The group is to be kept attached as far as the budget goes. Counts as detached until attached() is told.
  void want(Group group, std::uint64_t now_ns);
  // Nothing is wanted any more of a group that another one replaces.
  void give_up(Group group);
  // What the caller did, and when.
  void attached(Group group, std::uint64_t now_ns);
  void detached(Group group, std::uint64_t now_ns);

  // Judges the time since the last call. A group that is to be detached gets one action; so does one whose time to be
  // tried again has come (at most one a call). `costs` by group, of this very time.
  [[nodiscard]] std::vector<GuardAction> judge(const std::array<GroupCost, kGroups>& costs, std::uint64_t now_ns);

  // Cost that came in after a group was told to be detached: hits go on while the kernel takes probes out.
  void late_cost(Group group, const GroupCost& cost);

  struct View {
    bool wanted = false;
    bool attached = false;
    bool ever_refused = false;   // the budget took it out at least once
    std::uint64_t windows = 0;   // times it was attached
    double share = 0;            // of one core, when it was last attached
    double hits_per_second = 0;  // when it was last attached
    std::optional<std::uint64_t> next_window_ns;
  };
  [[nodiscard]] View view(Group group) const;
  [[nodiscard]] double limit() const { return config_.max_share; }
  // "4200 hits/s would cost 5.1 % of a core; the limit is 1.0 %"
  [[nodiscard]] std::string refusal(Group group) const;

 private:
  struct State {
    bool wanted = false;
    bool attached = false;
    bool refused = false;
    bool measured = false;  // share and rate are of the current or a past window
    std::uint64_t windows = 0;
    std::uint64_t attached_at_ns = 0;
    std::uint64_t next_window_ns = 0;
    double share = 0;            // smoothed while attached
    double hits_per_second = 0;  // smoothed while attached
    double saved_ns = 0;         // may be spent; negative: owed
  };
  struct Part {  // of the budget
    bool fits = false;
    double share = 0;  // of one core
  };
  void measure(State& state, const GroupCost& cost, double seconds) const;
  [[nodiscard]] std::array<Part, kGroups> divide() const;
  [[nodiscard]] bool worth_a_window(const State& state, const Part& part, std::uint64_t now_ns) const;
  State& at(Group group) { return states_[static_cast<std::size_t>(group)]; }
  [[nodiscard]] const State& at(Group group) const { return states_[static_cast<std::size_t>(group)]; }

  GuardConfig config_;
  std::array<State, kGroups> states_{};
  std::uint64_t judged_ns_ = 0;
};

}  // namespace gotrace::probe
