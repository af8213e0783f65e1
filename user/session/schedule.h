// When to look next: at an interval, stretched when looks are dear, so that our own cost stays bounded.
#pragma once

#include <algorithm>
#include <cstdint>

namespace gotrace::session {

class Schedule {
 public:
  // A look may take at most this share of the time between looks.
  static constexpr std::uint64_t kShare = 20;  // 1/20: 5 %

  explicit Schedule(std::uint64_t interval_ns) : interval_ns_(interval_ns) {}

  [[nodiscard]] bool due(std::uint64_t now_ns) const { return now_ns >= next_ns_; }
  [[nodiscard]] std::uint64_t next_ns() const { return next_ns_; }
  // The look that began at `begin_ns` ended at `end_ns`. Looks keep their beat; one that is late skips, never piles up.
  void done(std::uint64_t begin_ns, std::uint64_t end_ns) {
    const bool first = next_ns_ == 0;  // reads every name and stack for the first time: tells nothing of the next ones
    const std::uint64_t took = !first && end_ns > begin_ns ? end_ns - begin_ns : 0;
    const std::uint64_t step = std::max(interval_ns_, took * kShare);
    const bool on_beat = !first && begin_ns - next_ns_ < interval_ns_ / 2;
    next_ns_ = std::max((on_beat ? next_ns_ : begin_ns) + step, end_ns);
  }

 private:
  std::uint64_t interval_ns_;
  std::uint64_t next_ns_ = 0;  // at once
};

}  // namespace gotrace::session
