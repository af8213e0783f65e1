#include "probe/group_costs.h"

#include <catch2/catch.hpp>

#include "probe/activity.h"
#include "probe/cpu_base.h"
#include "probe/drain_pace.h"

namespace gotrace::probe {
namespace {

gotrace_counters counted(std::uint64_t traps, std::uint64_t run_ns) {
  gotrace_counters counters{};
  counters.traps = traps;
  counters.run_ns = run_ns;
  return counters;
}

TEST_CASE("costs: traps by their calibrated cost and the programs' own time, by CPU") {
  GroupCosts costs;
  costs.add(GOTRACE_BIRTHS, Group::lifecycle, std::array{counted(10, 100), counted(0, 0)}, 500);
  costs.add(GOTRACE_ENDS, Group::lifecycle, std::array{counted(2, 0), counted(1, 50)}, 500);
  const auto first = costs.take(Group::lifecycle);
  CHECK(first.hits == 13);
  CHECK(first.cost_ns == 13 * 500 + 150);
  CHECK(first.busiest_ns == 12 * 500 + 100);
  CHECK(costs.take(Group::lifecycle).hits == 0);
  costs.add(GOTRACE_BIRTHS, Group::lifecycle, std::array{counted(11, 100), counted(4, 0)}, 500);
  CHECK(costs.take(Group::lifecycle).hits == 5);
  CHECK(costs.take(Group::parks).hits == 0);
}

TEST_CASE("costs: a counter that wraps round costs what was added, not the whole range") {
  GroupCosts costs;
  costs.add(GOTRACE_PARKS, Group::parks, std::array{counted(UINT64_MAX - 2, UINT64_MAX - 9)}, 0);
  (void)costs.take(Group::parks);
  costs.add(GOTRACE_PARKS, Group::parks, std::array{counted(4, 30)}, 100);
  const auto cost = costs.take(Group::parks);
  CHECK(cost.hits == 7);
  CHECK(cost.cost_ns == 7 * 100 + 40);
}

TEST_CASE("costs: counters that could not be read add nothing") {
  GroupCosts costs;
  costs.add(GOTRACE_PARKS, Group::parks, std::array{counted(5, 0)}, 100);
  costs.add(GOTRACE_PARKS, Group::parks, {}, 100);
  CHECK(costs.take(Group::parks).hits == 5);
}

TEST_CASE("the base of the budget: one CPU, what the target uses when more, its quota when less") {
  constexpr std::uint64_t kSecond = 1'000'000'000;
  CpuBase free(std::nullopt);
  CHECK(free.cpus() == 1);
  free.observe(kSecond, 0);
  free.observe(2 * kSecond, kSecond / 10);
  CHECK(free.used() == Approx(0.1));
  CHECK(free.cpus() == 1);
  free.observe(3 * kSecond, kSecond / 10 + 4 * kSecond);
  CHECK(free.cpus() == Approx(4));
  free.observe(3 * kSecond + 1, 9 * kSecond);  // too soon to say
  CHECK(free.cpus() == Approx(4));
  free.observe(4 * kSecond, std::nullopt);
  CHECK(free.cpus() == Approx(4));
  CHECK(CpuBase(0.25).cpus() == 0.25);
  CHECK(CpuBase(8.0).cpus() == 1);
}

TEST_CASE("the pace of draining follows how full the buffer was") {
  DrainPace pace;
  CHECK(pace.interval_ns() == DrainPace::kLongest);
  for (int i = 0; i < 10; ++i) pace.drained(600, 1000);
  CHECK(pace.interval_ns() == DrainPace::kShortest);
  pace.drained(100, 1000);
  CHECK(pace.interval_ns() == DrainPace::kShortest);
  for (int i = 0; i < 10; ++i) pace.drained(0, 1000);
  CHECK(pace.interval_ns() == DrainPace::kLongest);
}

TEST_CASE("rates come from counters that are read free of charge") {
  constexpr std::uint64_t kSecond = 1'000'000'000;
  ActivityRates rates;
  Activity activity{kSecond, 100, 1000, {}, {}, {}};
  rates.observe(activity);
  CHECK_FALSE(rates.per_second(Group::lifecycle).has_value());
  activity = {2 * kSecond, 150, 5000, {}, {}, {}};
  rates.observe(activity);
  CHECK(rates.per_second(Group::lifecycle).value() == Approx(100));  // fifty births, as many ends
  CHECK(rates.per_second(Group::parks).value() == Approx(4000));
  CHECK_FALSE(rates.per_second(Group::allocations).has_value());
  rates.observe({2 * kSecond + 1000, 1e9, 1e9, {}, {}, {}});  // too soon: passed over
  CHECK(rates.per_second(Group::parks).value() == Approx(4000));
  rates.observe({3 * kSecond, 150, 100, {}, {}, {}});  // a torn read: the count can't fall
  CHECK(rates.per_second(Group::parks).value() == Approx(4000));
  rates.observe({9 * kSecond, 150, std::nullopt, {}, {}, {}});
  CHECK_FALSE(rates.per_second(Group::parks).has_value());
  CHECK(rates.per_second(Group::lifecycle).value() < 1);
}

TEST_CASE("refills are told from the objects of each class by what a span of it holds") {
  HeapCounters counters;
  counters.by_class = true;
  counters.allocated[0] = 3;        // large
  counters.allocated[1] = 8192;     // 1 KiB: 8 to a span
  counters.allocated[2] = 28 * 10;  // 1152 B: 7 to a span
  Activity activity;
  count_allocations(counters, {0, 1024, 1152}, activity);
  CHECK(activity.refills.value() == Approx(1024 + 40));
  CHECK(activity.large.value() == Approx(3));
  CHECK(activity.objects.value() == Approx(3 + 8192 + 280));
  Activity unknown;
  count_allocations(HeapCounters{}, {0, 1024}, unknown);
  CHECK_FALSE(unknown.refills.has_value());
}

}  // namespace
}  // namespace gotrace::probe
