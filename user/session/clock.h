// The clocks and counters of this process: the only place right of the kernel where time is asked for.
#pragma once

#include <cstdint>

namespace gotrace::session {

[[nodiscard]] std::uint64_t monotonic_ns();   // CLOCK_MONOTONIC
[[nodiscard]] std::int64_t wall_ns();         // CLOCK_REALTIME
[[nodiscard]] std::uint64_t own_cpu_ns();     // user and system time of this process so far
[[nodiscard]] std::uint64_t thread_cpu_ns();  // the same of this thread, finer
[[nodiscard]] std::uint64_t own_peak_rss_bytes();

}  // namespace gotrace::session
