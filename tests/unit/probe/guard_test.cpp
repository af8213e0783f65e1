#include "probe/guard.h"

#include <catch2/catch.hpp>
#include <functional>

namespace gotrace::probe {
namespace {

constexpr std::uint64_t kTick = 100'000'000;  // a drain
constexpr std::uint64_t kSecond = 1'000'000'000;

// A target whose groups cost so much of a core while attached; obeys the guard like the session does.
struct Target {
  Guard guard;
  std::array<double, kGroups> shares{};
  std::uint64_t now_ns = 1000 * kSecond;
  std::array<bool, kGroups> attached{};
  std::array<double, kGroups> spent_ns{};
  std::array<std::uint64_t, kGroups> attached_ns{};
  double worst_tick_ns = 0;

  explicit Target(const GuardConfig& config, std::array<double, kGroups> costs) : guard(config), shares(costs) {
    for (std::size_t i = 0; i < kGroups; ++i) {
      if (shares[i] > 0) guard.want(static_cast<Group>(i), now_ns);
    }
  }
  void tick(std::uint64_t length_ns = kTick) {
    std::array<GroupCost, kGroups> costs{};
    now_ns += length_ns;
    double together = 0;
    for (std::size_t i = 0; i < kGroups; ++i) {
      if (!attached[i]) continue;
      const double cost = shares[i] * static_cast<double>(length_ns);
      costs[i] = {static_cast<std::uint64_t>(cost) / 1000, static_cast<std::uint64_t>(cost)};  // a hit costs 1 us
      spent_ns[i] += cost;
      attached_ns[i] += length_ns;
      together += cost;
    }
    worst_tick_ns = std::max(worst_tick_ns, together);
    for (const auto& action : guard.judge(costs, now_ns)) {
      const auto i = static_cast<std::size_t>(action.group);
      CHECK(attached[i] != action.attach);
      attached[i] = action.attach;
      action.attach ? guard.attached(action.group, now_ns) : guard.detached(action.group, now_ns);
    }
  }
  void run(double seconds) {
    for (std::uint64_t i = 0; i < static_cast<std::uint64_t>(seconds * 10); ++i) tick();
  }
  double all_spent() const { return spent_ns[0] + spent_ns[1] + spent_ns[2] + spent_ns[3]; }
  bool on(Group group) const { return attached[static_cast<std::size_t>(group)]; }
};

TEST_CASE("guard: groups that fit together stay attached from the start") {
  Target target({0.01, 0}, {0.003, 0.003, 0.003, 0});
  target.run(60);
  for (const auto group : {Group::lifecycle, Group::allocations, Group::parks}) {
    CHECK(target.on(group));
    CHECK_FALSE(target.guard.view(group).ever_refused);
    CHECK(target.guard.view(group).windows == 1);
  }
  CHECK_FALSE(target.guard.view(Group::mallocs).wanted);
}

TEST_CASE("guard: the average stays within the budget, whatever the groups cost") {
  const double lifecycle = GENERATE(0.005, 0.013, 0.05, 0.4);
  const double allocations = GENERATE(0.002, 0.02, 0.4);
  const double parks = GENERATE(0.004, 0.1, 1.0);
  CAPTURE(lifecycle, allocations, parks);
  Target target({0.01, 0}, {lifecycle, allocations, parks, 0});
  target.run(300);
  // The first windows have nothing saved yet: one tick of everything is on top.
  const double first = (lifecycle + allocations + parks) * static_cast<double>(kTick);
  CHECK(target.all_spent() <= 0.01 * 300 * 1e9 + first + 0.02 * 1e9 * 3);
  for (std::size_t i = 0; i < 3; ++i) CHECK(target.attached_ns[i] > 0);
}

TEST_CASE("guard: the lower priority gives way first") {
  Target target({0.01, 0}, {0.006, 0.003, 0.006, 0});
  target.run(30);
  CHECK(target.on(Group::lifecycle));
  CHECK(target.on(Group::allocations));
  CHECK(target.guard.view(Group::parks).ever_refused);
  CHECK(target.guard.view(Group::parks).windows > 1);
  CHECK_FALSE(target.guard.view(Group::lifecycle).ever_refused);
}

TEST_CASE("guard: a very dear group is out after one look, and its windows are short and far apart") {
  Target target({0.01, 0}, {0, 0, 0, 1.0});
  target.tick();
  REQUIRE(target.on(Group::mallocs));
  target.tick();
  CHECK_FALSE(target.on(Group::mallocs));
  target.run(300);
  CHECK(target.guard.view(Group::mallocs).windows >= 2);
  CHECK(target.attached_ns[3] <= 3 * kSecond + kSecond / 3);
  CHECK(target.guard.refusal(Group::mallocs) == "1000000 hits/s would cost 1e+02 % of a core; the limit is 1 %");
}

TEST_CASE("guard: a burst is let pass, lasting load is not, and quiet brings the group back") {
  Target target({0.01, 0}, {0.001, 0, 0, 0});
  target.run(10);
  target.shares[0] = 0.05;
  target.tick();
  CHECK(target.on(Group::lifecycle));
  target.run(5);
  CHECK(target.guard.view(Group::lifecycle).ever_refused);
  target.shares[0] = 0.001;
  target.run(30);
  CHECK(target.on(Group::lifecycle));
  const auto windows = target.guard.view(Group::lifecycle).windows;
  target.run(30);
  CHECK(target.guard.view(Group::lifecycle).windows == windows);
}

TEST_CASE("guard: no budget, nothing attached") {
  Target target({0, 0}, {0.001, 0.001, 0.001, 0.001});
  target.run(10);
  CHECK(target.all_spent() == 0);
  CHECK(target.guard.refusal(Group::lifecycle) == "the overhead allowed is 0");
}

TEST_CASE("guard: the limit of hits alone refuses too") {
  Target target({0.5, 1000}, {0.01, 0, 0, 0});  // 10,000 hits/s of 1 us
  target.run(20);
  CHECK(target.guard.view(Group::lifecycle).ever_refused);
  CHECK(target.attached_ns[0] < 20 * kSecond / 10);
  CHECK(target.guard.refusal(Group::lifecycle) == "10000 hits/s; the limit is 1000");
}

TEST_CASE("guard: what came in while a group was being detached delays its next window") {
  Target prompt({0.01, 0}, {0.05, 0, 0, 0});
  Target late({0.01, 0}, {0.05, 0, 0, 0});
  prompt.run(1);
  late.run(1);
  late.guard.late_cost(Group::lifecycle, {1, 200'000'000});
  prompt.run(15);
  late.run(15);
  CHECK(prompt.guard.view(Group::lifecycle).windows > late.guard.view(Group::lifecycle).windows);
}

TEST_CASE("guard: what is given up is detached and not tried again") {
  Target target({0.01, 0}, {0.001, 0, 0, 0});
  target.run(1);
  REQUIRE(target.on(Group::lifecycle));
  target.guard.give_up(Group::lifecycle);
  target.run(20);
  CHECK_FALSE(target.on(Group::lifecycle));
  CHECK(target.guard.view(Group::lifecycle).windows == 1);
}

}  // namespace
}  // namespace gotrace::probe
