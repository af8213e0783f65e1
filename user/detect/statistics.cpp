#include "detect/statistics.h"

#include <algorithm>
#include <cmath>

namespace gotrace::detect {
namespace {

// Continued fraction of the incomplete beta function (Lentz), Numerical Recipes section 6.4.
double beta_fraction(double a, double b, double x) {
  constexpr double tiny = 1e-300;
  double c = 1;
  double d = 1 - (a + b) * x / (a + 1);
  d = 1 / (std::fabs(d) < tiny ? tiny : d);
  double h = d;
  for (int m = 1; m <= 300; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    for (const double term : {even, odd}) {
      d = 1 + term * d;
      d = 1 / (std::fabs(d) < tiny ? tiny : d);
      c = 1 + term / c;
      if (std::fabs(c) < tiny) c = tiny;
      h *= d * c;
    }
    if (std::fabs(d * c - 1) < 1e-12) break;
  }
  return h;
}

double incomplete_beta(double a, double b, double x) {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  const double front =
      std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + a * std::log(x) + b * std::log(1 - x));
  if (x < (a + 1) / (a + b + 2)) return front * beta_fraction(a, b, x) / a;
  return 1 - front * beta_fraction(b, a, 1 - x) / b;
}

constexpr double kFairShare = 0.1;  // of what an even third would have grown by

struct Sums {
  double seconds = 0, change = 0, events = 0;
};
Sums sum(std::span<const Step> steps) {
  Sums result;
  for (const Step& step : steps) {
    result.seconds += step.seconds;
    result.change += step.change;
    result.events += step.events;
  }
  return result;
}

// Variance of the sum of all steps, from their scatter about the mean rate.
double variance_of_sum(std::span<const Step> steps, const Sums& sums) {
  const double rate = sums.change / sums.seconds;
  double squares = 0;
  for (const Step& step : steps) {
    const double off = step.change - rate * step.seconds;
    squares += off * off;
  }
  const auto count = static_cast<double>(steps.size());
  return squares * count / (count - 1);
}

// Least change of any third, as a share of an even third; and that of the last.
struct Thirds {
  double least = 0, last = 0;
};
Thirds thirds_of(std::span<const Step> steps, const Sums& sums) {
  Thirds result{1e9, 0};
  const std::size_t count = steps.size();
  for (std::size_t i = 0; i < 3; ++i) {
    const Sums part = sum(steps.subspan(count * i / 3, count * (i + 1) / 3 - count * i / 3));
    const double even = sums.change * part.seconds / sums.seconds;
    const double share = even > 0 ? part.change / even : 0;
    result.least = std::min(result.least, share);
    result.last = share;
  }
  return result;
}

}  // namespace

double student_upper_tail(double t, double degrees) {
  const double half = 0.5 * incomplete_beta(degrees / 2, 0.5, degrees / (degrees + t * t));
  return t >= 0 ? half : 1 - half;
}

double student_95(double degrees) {
  double low = 0;
  double high = 100;
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (student_upper_tail(middle, degrees) > 0.025 ? low : high) = middle;
  }
  return high;
}

Growth judge_steps(std::span<const Step> steps) {
  Growth result;
  const Sums sums = sum(steps);
  if (steps.size() < 4 || sums.seconds <= 0) return result;
  const double scatter = variance_of_sum(steps, sums);
  const double variance = std::max(scatter, sums.events);
  const double degrees = static_cast<double>(steps.size() - 1);
  // Where the scatter is no more than births and ends at random would give, the variance is as good as known.
  const bool poisson = sums.events > 0 && scatter <= 1.6 * sums.events;
  const double freedom = poisson ? 1000 : degrees;
  const double deviation = std::sqrt(variance);
  const double t = deviation > 0 ? sums.change / deviation : (sums.change > 0 ? 1e3 : sums.change < 0 ? -1e3 : 0);
  result.p_value = student_upper_tail(t, freedom);
  const double margin = student_95(freedom) * deviation / sums.seconds;
  result.rate.value = sums.change / sums.seconds;
  result.rate.low = result.rate.value - margin;
  result.rate.high = result.rate.value + margin;
  const Thirds thirds = thirds_of(steps, sums);
  if (result.p_value < kFalseAlarm && sums.change > 0) {
    result.trend = thirds.last < 0.25 ? Trend::plateaued : thirds.least > kFairShare ? Trend::growing : Trend::unknown;
  } else if (1 - result.p_value < kFalseAlarm) {
    result.trend = Trend::shrinking;
  } else {
    result.trend = Trend::flat;
  }
  return result;
}

Bursts find_bursts(std::span<const Step> steps) {
  Bursts bursts;
  bool quiet = true;  // what came before the first step is not known: that is no burst's middle
  for (const Step& step : steps) {
    bursts.births += (step.events + step.change) / 2;
    bursts.ends += (step.events - step.change) / 2;
    const bool came = step.change > 0;
    if (came && quiet) ++bursts.count;
    quiet = !came;
  }
  const Sums sums = sum(steps);
  bursts.seconds = sums.seconds;
  bursts.spread = steps.size() >= 3 && sums.change > 0 && thirds_of(steps, sums).least > kFairShare;
  return bursts;
}

Rate rate_of_part(double count, double seconds) {
  constexpr double kNormal95 = 1.96;
  const auto limit = [](double n, double deviations) {
    return n <= 0 ? 0 : n * std::pow(std::max(0.0, 1 - 1 / (9 * n) + deviations / (3 * std::sqrt(n))), 3);
  };
  return {count / seconds, limit(count, -kNormal95) / seconds, limit(count + 1, kNormal95) / seconds};
}

std::vector<Step> merge_steps(std::span<const Step> steps, std::size_t most) {
  std::vector<Step> result;
  const std::size_t count = std::min(most, steps.size());
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t begin = steps.size() * i / count;
    const std::size_t end = steps.size() * (i + 1) / count;
    const Sums part = sum(steps.subspan(begin, end - begin));
    result.push_back({part.seconds, part.change, part.events});
  }
  return result;
}

double lateness(std::vector<double> times, double begin, double end) {
  if (times.empty() || end <= begin) return 0;
  std::sort(times.begin(), times.end());
  double worst = 0;
  for (std::size_t i = 0; i < times.size(); ++i) {
    const double even = std::clamp((times[i] - begin) / (end - begin), 0.0, 1.0);
    worst = std::max(worst, even - static_cast<double>(i) / static_cast<double>(times.size()));
  }
  return worst;
}

}  // namespace gotrace::detect
