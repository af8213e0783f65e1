// Governor: keeps what the probes take from the target within the budget. Pure: it is told costs, forecasts and times
// and answers what to attach and detach; it touches nothing.
//
// A probe's cost is the trap, so there is no cheaper way to stay within the budget than to take probes out. Before a
// group of probes is attached its rate is forecast from counters that the runtime keeps anyway. Groups that fit into
// the budget, in order of priority, stay attached. Those that do not share what is left: each saves its part up, is
// attached for a window that slows a core by at most GovernorConfig::stretch_ns, and is taken out again. Where even the
// shortest window would slow it by more, the group is withheld and what it would have cost is said.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace gotrace::probe {

// What goes on and off together. Births and ends pair, so they share a group.
// Large objects have one of their own: they are few, and their probe's site is a dearer one than refill's.
enum class Group : std::uint8_t { lifecycle, allocations, parks, mallocs, large };
constexpr std::size_t kGroups = 5;

struct GovernorConfig {
  double max_share = 0.01;  // of what `set_base` says; 0: nothing may be attached
  // The most that one window of a group that does not fit full-time may slow a core, ns.
  std::uint64_t stretch_ns = 5'000'000;
  // How long hits go on after a group was told to be detached, ns, until that was measured.
  std::array<std::uint64_t, kGroups> detach_ns{40'000'000, 40'000'000, 40'000'000, 40'000'000, 40'000'000};
  // What a hit of each group is taken to cost, ns, until that was measured.
  std::array<double, kGroups> hit_ns{1000, 1000, 1000, 1000, 1000};
  // How long the kernel takes to attach a group and detach it again, ns, until that was measured.
  std::array<std::uint64_t, kGroups> switch_ns{};
};

// What one group cost since the last time it was told.
struct GroupCost {
  std::uint64_t hits = 0;
  std::uint64_t cost_ns = 0;     // traps x calibrated cost + time in the programs
  std::uint64_t busiest_ns = 0;  // of these, on the CPU that had most
};

struct GovernorAction {
  Group group = Group::lifecycle;
  bool attach = false;  // false: detach
  friend bool operator==(const GovernorAction&, const GovernorAction&) = default;
};

class Governor {
 public:
  explicit Governor(const GovernorConfig& config);

  // The group is to be kept attached as far as the budget goes. Counts as detached until attached() is told.
  // `whole`: full-time or not at all.
  void want(Group group, bool whole = false);
  // Nothing is wanted any more of a group.
  void give_up(Group group);
  // What the caller did, when, and how long that took. `late`: what came in since it was told to detach.
  void attached(Group group, std::uint64_t took_ns, std::uint64_t now_ns);
  void detached(Group group, const GroupCost& late, std::uint64_t took_ns, std::uint64_t now_ns);

  // CPUs that max_share is a share of. 1 until it is told.
  void set_base(double cpus) { base_ = cpus; }
  // CPUs that the target uses: what runs is what can be slowed. 1 until it is told.
  void set_used(double cpus) { used_ = cpus; }
  // Hits per second that the group would have, by free counters; nullopt: nothing tells.
  void forecast(Group group, std::optional<double> hits_per_second);

  // Time counts from here on.
  void begin(std::uint64_t now_ns) { judged_ns_ = now_ns; }
  // Judges the time since the last call; to be called at least every 50 ms, and at due_ns(). A group that is to be
  // detached gets one action; so does one to be attached (those that fit, and one window a call). `costs` by group, of
  // this very time.
  [[nodiscard]] std::vector<GovernorAction> judge(const std::array<GroupCost, kGroups>& costs, std::uint64_t now_ns);
  // When the next window that is open now is to end; nullopt: none is.
  [[nodiscard]] std::optional<std::uint64_t> due_ns() const;

  struct View {
    bool wanted = false;
    bool attached = false;
    bool ever_refused = false;   // the budget kept it out at least once
    std::uint64_t windows = 0;   // times it was attached
    double share = 0;            // of one CPU, while attached or as forecast
    double hits_per_second = 0;  // the same
    bool too_long = false;       // even the shortest window would take more than stretch_ns
  };
  [[nodiscard]] View view(Group group) const;
  // "4200 hits/s would cost 5.1 % of a core; the limit is 1.0 %"
  [[nodiscard]] std::string refusal(Group group) const;

  // So far: what all groups cost, and the CPU time that max_share is a share of.
  [[nodiscard]] std::uint64_t spent_ns() const { return static_cast<std::uint64_t>(spent_ns_); }
  [[nodiscard]] std::uint64_t base_ns() const { return static_cast<std::uint64_t>(base_ns_); }

 private:
  struct State {
    bool wanted = false;
    bool whole = false;  // no windows
    bool attached = false;
    bool refused = false;
    bool on_trial = false;  // attached for a window to find out what it costs
    bool measured = false;  // rate and share are of this very window
    std::uint64_t windows = 0;
    std::uint64_t attached_at_ns = 0;
    std::optional<double> window_ns;  // attached, or about to be, for a window and not full-time
    std::uint64_t window_end_ns = 0;
    std::uint64_t next_window_ns = 0;
    std::optional<double> forecast;  // hits per second
    double correction = 1;           // hits per forecast hit
    double hit_ns = 0;
    bool hit_known = false;     // hit_ns was measured, here
    double concentration = 1;   // part of the cost that the busiest CPU has
    double detach_ns = 0;       // how long hits go on when it is detached
    double attach_took_ns = 0;  // the kernel's time, and for taking it out again
    double detach_took_ns = 0;
    double share = 0;            // of one CPU: smoothed while attached, else the last
    double hits_per_second = 0;  // the same
    double window_cost_ns = 0;   // on the busiest CPU, since attached
    double saved_ns = 0;         // may be spent; negative: owed
  };
  struct Part {  // of the budget
    bool fits = false;
    double share = 0;  // of one CPU
  };
  void measure(State& state, const GroupCost& cost, double elapsed_ns, std::uint64_t now_ns) const;
  void learn(State& state, const GroupCost& cost) const;
  void foresee(State& state) const;
  [[nodiscard]] std::array<Part, kGroups> divide() const;
  [[nodiscard]] double longest_window_ns(const State& state) const;
  [[nodiscard]] bool known(const State& state) const { return state.forecast.has_value() || state.windows > 0; }
  [[nodiscard]] bool too_long(const State& state) const;
  [[nodiscard]] bool worth_a_window(const State& state, const Part& part, std::uint64_t now_ns) const;
  [[nodiscard]] bool must_go(const State& state, const Part& part, std::uint64_t now_ns) const;
  void account(State& state, const Part& part, const GroupCost& cost, double elapsed_ns) const;
  void spend(double cost_ns);
  void pay_for_switching(State& state, std::uint64_t took_ns);
  [[nodiscard]] double switching_ns(double took_ns) const;
  [[nodiscard]] double window_ns_to_save(const State& state) const;
  [[nodiscard]] double promised_ns() const;
  // The attached group that costs most, when all together have overdrawn the budget.
  [[nodiscard]] std::optional<std::size_t> overdrawn() const;
  State& at(Group group) { return states_[static_cast<std::size_t>(group)]; }
  [[nodiscard]] const State& at(Group group) const { return states_[static_cast<std::size_t>(group)]; }

  GovernorConfig config_;
  std::array<State, kGroups> states_{};
  double base_ = 1;
  double used_ = 1;
  double balance_ns_ = 0;  // of the whole budget: what may be spent now; negative: owed, and nothing is attached
  double spent_ns_ = 0;
  double base_ns_ = 0;
  std::uint64_t judged_ns_ = 0;
};

}  // namespace gotrace::probe
