#include "probe/governor.h"

#include <catch2/catch.hpp>
#include <functional>

#include "probe/group_costs.h"

namespace gotrace::probe {
namespace {

constexpr std::uint64_t kMillisecond = 1'000'000;
constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kTick = 50 * kMillisecond;  // a drain
constexpr std::uint64_t kDetach = 40 * kMillisecond;
constexpr std::uint64_t kAttach = 10 * kMillisecond;
constexpr double kSwitchShare = 0.2;  // what both take from a CPU that is busy
constexpr double kHitNs = 1000;

// A target whose groups cost so much of a CPU while attached. Obeys the governor as the session does, with a kernel
// that takes 40 ms to take probes out, during which hits go on, and slows what runs while it puts them in or out.
struct Target {
  Governor governor;
  std::array<double, kGroups> shares{};
  bool foretold = true;
  std::uint64_t attach_ns = kAttach;
  std::uint64_t late_ns = kDetach;  // how long hits go on while it is taken out
  double switching_ns = 0;          // what putting in and taking out has cost
  double cost_factor = 1;           // of a hit, over what the governor takes it to cost
  std::uint64_t now_ns = 1000 * kSecond;
  std::uint64_t begin_ns = now_ns;
  std::array<bool, kGroups> attached{};
  std::array<double, kGroups> spent_ns{};
  std::array<std::uint64_t, kGroups> attached_ns{};
  std::array<double, kGroups> window_ns{};  // what the open window has cost
  double longest_stretch_ns = 0;            // of a window

  explicit Target(double max_share, std::array<double, kGroups> costs, bool tell = true)
      : governor(config(max_share)), shares(costs), foretold(tell) {
    for (std::size_t i = 0; i < kGroups; ++i) {
      if (shares[i] > 0) governor.want(static_cast<Group>(i));
    }
    foretell();
  }
  static GovernorConfig config(double max_share) {
    GovernorConfig config;
    config.max_share = max_share;
    config.hit_ns.fill(kHitNs);
    config.switch_ns.fill(kAttach + kDetach);
    return config;
  }
  void foretell() {
    for (std::size_t i = 0; i < kGroups; ++i) {
      const auto rate = foretold ? std::optional(shares[i] * 1e9 / kHitNs) : std::nullopt;
      governor.forecast(static_cast<Group>(i), rate);
    }
  }
  GroupCost pass(std::size_t group, std::uint64_t length_ns) {
    const double hits = shares[group] * static_cast<double>(length_ns) / kHitNs;
    const double cost = hits * kHitNs * cost_factor;
    spent_ns[group] += cost;
    window_ns[group] += cost;
    attached_ns[group] += length_ns;
    return {static_cast<std::uint64_t>(hits), static_cast<std::uint64_t>(cost), static_cast<std::uint64_t>(cost)};
  }
  void tick() {
    const std::uint64_t next =
        std::min(now_ns + kTick, std::max(now_ns + kMillisecond, governor.due_ns().value_or(UINT64_MAX)));
    std::array<GroupCost, kGroups> costs{};
    for (std::size_t i = 0; i < kGroups; ++i) {
      if (attached[i]) costs[i] = pass(i, next - now_ns);
    }
    now_ns = next;
    foretell();
    for (const auto& action : governor.judge(costs, now_ns)) {
      const auto i = static_cast<std::size_t>(action.group);
      CHECK(attached[i] != action.attach);
      attached[i] = action.attach;
      if (action.attach) {
        window_ns[i] = 0;
        switching_ns += kSwitchShare * static_cast<double>(attach_ns);
        governor.attached(action.group, attach_ns, now_ns);
      } else {
        switching_ns += kSwitchShare * static_cast<double>(kDetach);
        governor.detached(action.group, pass(i, late_ns), kDetach, now_ns);
        longest_stretch_ns = std::max(longest_stretch_ns, window_ns[i]);
      }
    }
  }
  void run(double seconds) {
    for (const auto end = now_ns + static_cast<std::uint64_t>(seconds * 1e9); now_ns < end;) tick();
  }
  double all_spent() const {
    return switching_ns + spent_ns[0] + spent_ns[1] + spent_ns[2] + spent_ns[3] + spent_ns[4];
  }
  double share_spent() const { return all_spent() / static_cast<double>(now_ns - begin_ns); }
  bool on(Group group) const { return attached[static_cast<std::size_t>(group)]; }
};

TEST_CASE("governor: groups that fit together are attached at once and stay") {
  Target target(0.01, {0.003, 0.003, 0.002, 0});
  target.tick();
  CHECK(target.on(Group::parks));
  target.run(60);
  for (const auto group : {Group::lifecycle, Group::allocations, Group::parks}) {
    CHECK(target.on(group));
    CHECK_FALSE(target.governor.view(group).ever_refused);
    CHECK(target.governor.view(group).windows == 1);
  }
  CHECK_FALSE(target.governor.view(Group::mallocs).wanted);
}

TEST_CASE("governor: whatever the groups cost, the budget holds and no window is felt") {
  const double budget = GENERATE(0.001, 0.01, 0.05, 0.2);
  const double lifecycle = GENERATE(0.005, 0.05, 0.4);
  const double allocations = GENERATE(0.002, 0.03, 0.4);
  const double parks = GENERATE(0.004, 0.1, 1.5);
  const bool foretold = GENERATE(true, false);
  CAPTURE(budget, lifecycle, allocations, parks, foretold);
  Target target(budget, {lifecycle, allocations, parks, 0}, foretold);
  target.run(60);
  // Untold, each group is tried once: a tick and a detach of everything is on top, before it is known.
  const double trials = foretold ? 0
                                 : (lifecycle + allocations + parks) * 2 * (kTick + kDetach) / 60e9 +
                                       3 * kSwitchShare * (kAttach + kDetach) / 60e9;
  CHECK(target.share_spent() <= 1.25 * budget + trials);
  if (foretold) CHECK(target.longest_stretch_ns <= 1.3 * 5e6);
}

TEST_CASE("governor: the lower priority gives way first") {
  Target target(0.01, {0.006, 0.003, 0.006, 0});
  target.run(30);
  CHECK(target.on(Group::lifecycle));
  CHECK(target.on(Group::allocations));
  CHECK(target.governor.view(Group::parks).ever_refused);
  CHECK_FALSE(target.governor.view(Group::lifecycle).ever_refused);
}

TEST_CASE("governor: what does not fit comes back in windows") {
  Target target(0.01, {0.05, 0, 0, 0});
  target.run(60);
  CHECK(target.governor.view(Group::lifecycle).windows > 20);
  CHECK(target.share_spent() > 0.005);
  CHECK(target.share_spent() <= 0.0125);
  CHECK(target.longest_stretch_ns <= 1.3 * 5e6);
}

TEST_CASE("governor: what even the shortest window would make felt is withheld, and it is said what it would cost") {
  Target target(0.01, {0, 0, 0, 1.0});
  target.run(60);
  CHECK(target.governor.view(Group::mallocs).windows == 0);
  CHECK(target.governor.view(Group::mallocs).too_long);
  CHECK(target.all_spent() == 0);
  CHECK(
      target.governor.refusal(Group::mallocs) ==
      "1000000 hits/s would cost 1e+02 % of a core, and 50 ms at a stretch in the shortest window; the limits are 1 % "
      "and 5 ms");
}

TEST_CASE("governor: putting probes in and taking them out is paid for, so that a slow kernel gets fewer windows") {
  Target fast(0.01, {0.05, 0, 0, 0});
  Target slow(0.01, {0.05, 0, 0, 0});
  slow.attach_ns = 100 * kMillisecond;
  fast.run(60);
  slow.run(60);
  CHECK(10 * slow.governor.view(Group::lifecycle).windows < 7 * fast.governor.view(Group::lifecycle).windows);
  CHECK(slow.governor.view(Group::lifecycle).windows > 10);
  CHECK(slow.share_spent() <= 1.25 * 0.01);
  CHECK(static_cast<double>(slow.governor.spent_ns()) == Approx(slow.all_spent()).epsilon(0.01));
}

TEST_CASE("governor: of a target that hardly runs little is lost while probes go in and out") {
  Target busy(0.01, {0.05, 0, 0, 0});
  Target quiet(0.01, {0.05, 0, 0, 0});
  quiet.governor.set_used(0.05);
  busy.run(60);
  quiet.run(60);
  CHECK(quiet.governor.view(Group::lifecycle).windows > busy.governor.view(Group::lifecycle).windows);
}

TEST_CASE("governor: what is withheld takes nothing from what gets windows") {
  Target alone(0.01, {0, 0.05, 0, 0});
  Target beside(0.01, {2.0, 0.05, 3.0, 0});
  alone.run(60);
  beside.run(60);
  CHECK(beside.governor.view(Group::lifecycle).windows == 0);
  CHECK(beside.governor.view(Group::allocations).windows == alone.governor.view(Group::allocations).windows);
}

TEST_CASE("governor: a dear probe of a quiet target gets windows beside those that fit") {
  Target target(0.01, {0.00001, 0.0026, 0.001, 0.0046, 0.0087});
  target.late_ns = kMillisecond;
  target.governor.want(Group::mallocs, true);
  target.run(30);
  CHECK(target.governor.view(Group::large).windows >= 5);
  CHECK(target.on(Group::allocations));
  CHECK_FALSE(target.on(Group::mallocs));  // large objects come first
  CHECK(target.share_spent() <= 1.25 * 0.01);
}

TEST_CASE("governor: how long hits go on is learnt, and windows are as long as that allows") {
  Target target(0.01, {0.15, 0, 0, 0});  // 40 ms of hits after it was told to go would be 6 ms of a core
  target.late_ns = kMillisecond;
  target.governor = Governor([] {
    auto config = Target::config(0.01);
    config.detach_ns.fill(20 * kMillisecond);
    return config;
  }());
  target.governor.want(Group::lifecycle);
  target.run(60);
  const auto windows = target.governor.view(Group::lifecycle).windows;
  REQUIRE(windows > 5);
  CHECK(target.longest_stretch_ns <= 1.3 * 5e6);
  CHECK(static_cast<double>(target.attached_ns[0]) / static_cast<double>(windows) > 25e6);  // 33 ms are 5 ms of a core
}

TEST_CASE("governor: what is wanted whole or not at all gets no window and takes nothing from the others") {
  Target target(0.01, {0.05, 0, 0, 0.05});
  target.governor.want(Group::mallocs, true);
  target.run(60);
  CHECK(target.governor.view(Group::mallocs).windows == 0);
  CHECK(target.governor.view(Group::mallocs).ever_refused);
  CHECK(target.governor.refusal(Group::mallocs) == "50000 hits/s would cost 5 % of a core; the limit is 1 %");
  CHECK(target.share_spent() > 0.005);  // by the other one's windows
  target.shares = {0.002, 0, 0, 0.003};
  target.run(2);
  CHECK(target.on(Group::mallocs));
  target.shares[3] = 0.05;
  target.run(3);
  CHECK_FALSE(target.on(Group::mallocs));
  CHECK(target.on(Group::lifecycle));
}

TEST_CASE("governor: what calms down is attached after all") {
  Target target(0.01, {1.0, 0, 0, 0});
  target.run(5);
  CHECK_FALSE(target.on(Group::lifecycle));
  target.shares[0] = 0.002;
  target.run(2);
  CHECK(target.on(Group::lifecycle));
  const auto windows = target.governor.view(Group::lifecycle).windows;
  target.run(30);
  CHECK(target.governor.view(Group::lifecycle).windows == windows);
}

TEST_CASE("governor: a target that idles and bursts, again and again, keeps the budget") {
  const double burst_seconds = GENERATE(0.05, 0.1, 0.5, 2.0);
  const double idle_seconds = GENERATE(0.3, 1.0, 5.0);
  CAPTURE(burst_seconds, idle_seconds);
  Target target(0.01, {0.0001, 0.0001, 0.0001, 0});
  while (target.now_ns < target.begin_ns + 120 * kSecond) {
    target.shares = {0.3, 0.2, 0.6, 0};
    target.run(burst_seconds);
    target.shares = {0.0001, 0.0001, 0.0001, 0};
    target.run(idle_seconds);
  }
  CHECK(target.share_spent() <= 1.25 * 0.01 + 0.0015);  // the first burst, over two minutes
}

TEST_CASE("governor: full-time load that rises above its share is out within two looks") {
  Target target(0.01, {0.004, 0, 0, 0});
  target.run(10);
  REQUIRE(target.on(Group::lifecycle));
  target.shares[0] = 0.5;
  target.tick();
  target.tick();
  CHECK_FALSE(target.on(Group::lifecycle));
}

TEST_CASE("governor: a program that is slower than thought is found out by what it costs") {
  Target target(0.01, {0.005, 0, 0, 0});
  target.cost_factor = 100;  // takes half a CPU
  target.run(60);
  CHECK(target.governor.view(Group::lifecycle).ever_refused);
  CHECK(target.share_spent() <= 1.25 * 0.01);
}

TEST_CASE("governor: a clock that jumps ahead allows a burst and no more; one that goes back allows nothing") {
  Target target(0.01, {0.05, 0, 0, 0});
  target.run(10);
  const double before = target.all_spent();
  target.now_ns += 3600 * kSecond;  // suspended, say
  target.run(5);
  CHECK(target.all_spent() - before <= 1.25 * 0.01 * 5e9 + 0.02e9);
  target.now_ns -= 1800 * kSecond;
  const double back = target.all_spent();
  for (int i = 0; i < 100; ++i) target.tick();
  CHECK(target.all_spent() - back <= 0.0125 * 100 * kTick + 0.01e9);
}

TEST_CASE("governor: the budget is a share of what the base says") {
  Target half(0.01, {0.03, 0, 0, 0});
  half.governor.set_base(0.5);
  half.run(60);
  CHECK(half.share_spent() <= 1.25 * 0.005);
  Target four(0.01, {0.03, 0, 0, 0});
  four.governor.set_base(4);
  four.run(60);
  CHECK(four.on(Group::lifecycle));
  CHECK_FALSE(four.governor.view(Group::lifecycle).ever_refused);
  CHECK(static_cast<double>(four.governor.base_ns()) > 3.9 * 60e9);
  CHECK(static_cast<double>(four.governor.spent_ns()) == Approx(four.all_spent()).epsilon(0.01));
}

TEST_CASE("governor: no budget, nothing attached") {
  Target target(0, {0.001, 0.001, 0.001, 0.001});
  target.run(10);
  CHECK(target.all_spent() == 0);
  CHECK(target.governor.refusal(Group::lifecycle) == "the overhead allowed is 0");
}

TEST_CASE("governor: a forecast that is wrong is corrected by what windows see") {
  Target target(0.01, {0.03, 0, 0, 0});
  target.foretold = false;
  const auto tick = [&target] {  // told a fifth of what it is
    target.governor.forecast(Group::lifecycle, 0.03 * 1e9 / kHitNs / 5);
    target.tick();
  };
  target.governor.forecast(Group::lifecycle, 0.006 * 1e9 / kHitNs);
  for (int i = 0; i < 2000; ++i) tick();
  CHECK(target.share_spent() <= 1.25 * 0.01);
}

TEST_CASE("governor: what is given up is detached and not tried again") {
  Target target(0.01, {0.001, 0, 0, 0});
  target.run(1);
  REQUIRE(target.on(Group::lifecycle));
  target.governor.give_up(Group::lifecycle);
  target.run(20);
  CHECK_FALSE(target.on(Group::lifecycle));
  CHECK(target.governor.view(Group::lifecycle).windows == 1);
}

}  // namespace
}  // namespace gotrace::probe
