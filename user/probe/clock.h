// CLOCK_MONOTONIC in nanoseconds: the clock of all records and of bpf_ktime_get_ns().
#pragma once

#include <time.h>

#include <cstdint>

namespace gotrace::probe {

// Async-signal-safe.
inline std::uint64_t clock_ns() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(time.tv_nsec);
}

}  // namespace gotrace::probe
