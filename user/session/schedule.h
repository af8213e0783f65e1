// When to look next: at an interval, stretched when looks are dear, so that our own cost stays bounded.
#pragma once

#include <algorithm>
#include <cstdint>

namespace gotrace::session {

// How what we may take of one CPU is divided. What is left is for draining the probes' buffer and what only counts.
struct CpuShares {
  explicit CpuShares(double max_cpu)
      : goroutines(max_cpu * 6 / 10), slow_looks(max_cpu * 2 / 10), screen(max_cpu * 1 / 10) {}
  double goroutines;
  double slow_looks;  // heap profile, memory figures, the probes' state
  double screen;      // analysis and repaint
};

class Schedule {
 public:
  // At least `interval_ns` apart, and so that looks take at most `share` of one CPU (0 < share <= 1).
  Schedule(std::uint64_t interval_ns, double share) : interval_ns_(interval_ns), share_(share) {}

  [[nodiscard]] bool due(std::uint64_t now_ns) const { return now_ns >= next_ns_; }
  [[nodiscard]] std::uint64_t next_ns() const { return next_ns_; }
  // The look that began at `begin_ns` ended at `end_ns` and took `cpu_ns` of our CPU time: on a busy machine a look
  // lasts long, but that is no reason to look less often. Looks keep their beat; one that is late skips, never piles
  // up.
  void done(std::uint64_t begin_ns, std::uint64_t end_ns, std::uint64_t cpu_ns) {
    const bool first = next_ns_ == 0;  // reads every name and stack for the first time: tells nothing of the next ones
    const std::uint64_t step = std::max(interval_ns_, stretched(first ? 0 : cpu_ns));
    const bool on_beat = !first && begin_ns - next_ns_ < interval_ns_ / 2;
    next_ns_ = std::max((on_beat ? next_ns_ : begin_ns) + step, end_ns);
  }

 private:
  [[nodiscard]] std::uint64_t stretched(std::uint64_t took_ns) const {
    constexpr double kLongest = 3600e9;  // of what can be a look; keeps the sum in range
    return static_cast<std::uint64_t>(std::min(kLongest, static_cast<double>(took_ns) / share_));
  }

  std::uint64_t interval_ns_;
  double share_;
  std::uint64_t next_ns_ = 0;  // at once
};

}  // namespace gotrace::session
