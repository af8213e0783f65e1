// When to drain the ring buffer next: seldom while little comes, often enough that it never fills. Pure.
#pragma once

#include <algorithm>
#include <cstdint>

namespace gotrace::probe {

class DrainPace {
 public:
  static constexpr std::uint64_t kShortest = 2'000'000;  // ns
  static constexpr std::uint64_t kLongest = 50'000'000;

  // A drain took `bytes` out of a buffer of `capacity`. More than a quarter: come back in half the time.
  void drained(std::uint64_t bytes, std::uint64_t capacity) {
    if (bytes > capacity / 4) {
      interval_ns_ = std::max(kShortest, interval_ns_ / 2);
    } else if (bytes < capacity / 16) {
      interval_ns_ = std::min(kLongest, interval_ns_ * 2);
    }
  }
  [[nodiscard]] std::uint64_t interval_ns() const { return interval_ns_; }

 private:
  std::uint64_t interval_ns_ = kLongest;
};

}  // namespace gotrace::probe
