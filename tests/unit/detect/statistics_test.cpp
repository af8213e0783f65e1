#include "detect/statistics.h"

#include <catch2/catch.hpp>

using namespace gotrace::detect;

TEST_CASE("Student's t agrees with the tables") {
  CHECK(student_upper_tail(2.262, 9) == Approx(0.025).epsilon(0.002));
  CHECK(student_upper_tail(4.297, 9) == Approx(0.001).epsilon(0.005));
  CHECK(student_upper_tail(-2.262, 9) == Approx(0.975).epsilon(0.002));
  CHECK(student_95(9) == Approx(2.262).epsilon(0.001));
  CHECK(student_95(1000) == Approx(1.962).epsilon(0.001));
}

TEST_CASE("growth that stops in the last third has plateaued") {
  std::vector<Step> steps(20, Step{0.5, 5, 5});
  CHECK(judge_steps(steps).trend == Trend::growing);
  CHECK(judge_steps(steps).rate.value == Approx(10));
  for (std::size_t i = 13; i < steps.size(); ++i) steps[i] = {0.5, 0, 0};
  CHECK(judge_steps(steps).trend == Trend::plateaued);
}

TEST_CASE("too few steps are unknown, steps without change are flat") {
  CHECK(judge_steps(std::vector<Step>(3, Step{1, 5, 5})).trend == Trend::unknown);
  CHECK(judge_steps(std::vector<Step>(10, Step{1, 0, 0})).trend == Trend::flat);
  CHECK(judge_steps(std::vector<Step>(10, Step{1, -9, 9})).trend == Trend::shrinking);
}

// Exact limits: half the 2.5 % point of chi-squared with 2n degrees of freedom, and the 97.5 % point with 2n + 2.
TEST_CASE("a rate seen in a part of the time has the interval that chance gives it") {
  const auto few = rate_of_part(5, 1);
  CHECK(few.value == Approx(5));
  CHECK(few.low == Approx(1.6235).margin(0.02));
  CHECK(few.high == Approx(11.668).margin(0.02));
  const auto many = rate_of_part(100, 0.5);
  CHECK(many.value == Approx(200));
  CHECK(many.low == Approx(162.7).margin(0.2));
  CHECK(many.high == Approx(243.3).margin(0.2));
  const auto none = rate_of_part(0, 2);
  CHECK(none.value == 0);
  CHECK(none.low == 0);
  CHECK(none.high == Approx(3.689 / 2).margin(0.1));
}

TEST_CASE("what comes at once is one burst, whatever splits it") {
  const std::vector<Step> steps = {{0.5, 5, 5}, {0.5, 0, 0}, {0.5, 3, 3}, {0.5, 2, 2}, {0.5, 0, 0}, {0.5, 5, 7}};
  const Bursts bursts = find_bursts(steps);
  CHECK(bursts.count == 3);
  CHECK(bursts.births == 16);
  CHECK(bursts.ends == 1);
  CHECK_FALSE(bursts.none_ended());
  CHECK(bursts.spread);
  CHECK(bursts.seconds == Approx(3));
}

TEST_CASE("merging keeps the sums") {
  std::vector<Step> steps(37, Step{0.5, 1, 3});
  double seconds = 0;
  double change = 0;
  const auto merged = merge_steps(steps, 20);
  CHECK(merged.size() == 20);
  for (const Step& step : merged) seconds += step.seconds, change += step.change;
  CHECK(seconds == Approx(18.5));
  CHECK(change == Approx(37));
}

TEST_CASE("lateness is the lag behind an even spread") {
  CHECK(lateness({0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 0, 10) < 0.11);
  CHECK(lateness({8, 8.5, 9, 9.5}, 0, 10) == Approx(0.8));
  CHECK(lateness({}, 0, 10) == 0);
}
