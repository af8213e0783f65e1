// The statistics of growth. Counts are integrals: the steps are what is independent, so tests look at steps, never at
// levels (a plain trend test on levels is fooled by any random walk).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "detect/analysis.h"

namespace gotrace::detect {

// P(T > t), Student's t with `degrees` degrees of freedom.
[[nodiscard]] double student_upper_tail(double t, double degrees);
// t with P(|T| < t) = 0.95.
[[nodiscard]] double student_95(double degrees);

// One step of a count: how much it changed during so many seconds, and, where known, how many births and ends made it.
struct Step {
  double seconds = 0;
  double change = 0;
  double events = 0;  // births + ends; 0: not known
};

struct Growth {
  Trend trend = Trend::unknown;
  Rate rate;           // per second
  double p_value = 1;  // of "no growth", one-sided
};

// Chance of calling a series without drift "growing": one in 50,000 series, so that 500 sites at once stay below 1 %.
constexpr double kFalseAlarm = 2e-5;

// Judges a series of steps. Growing: the mean step is positive beyond what independent steps of the variance seen (and
// at least the Poisson variance of the events) give by chance, and each third of the window grew by a fair share.
// Plateaued: grew significantly, but the last third did not. Fewer than 4 steps: unknown.
[[nodiscard]] Growth judge_steps(std::span<const Step> steps);

// What came at once is one event, however many it brought: a batch or a timer starts a burst. Of steps one after the
// other.
struct Bursts {
  std::uint64_t count = 0;  // times that something came after a step in which nothing did
  double births = 0;
  double ends = 0;
  double seconds = 0;   // watched
  bool spread = false;  // each third of the time had its share

  [[nodiscard]] bool none_ended() const { return births > 0 && ends == 0; }
};
[[nodiscard]] Bursts find_bursts(std::span<const Step> steps);

// `count` events seen in `seconds` that are a part of the time: their rate, with the interval that chance alone gives
// it when they come independently of each other (Poisson; Wilson and Hilferty's approximation of Garwood's limits).
[[nodiscard]] Rate rate_of_part(double count, double seconds);

// Adds neighbours until at most `most` steps are left.
[[nodiscard]] std::vector<Step> merge_steps(std::span<const Step> steps, std::size_t most);

// Kolmogorov's distance by which `times` (in [begin, end]) lag behind an even spread: 0 = even or early, 1 = all at the
// end.
[[nodiscard]] double lateness(std::vector<double> times, double begin, double end);

}  // namespace gotrace::detect
