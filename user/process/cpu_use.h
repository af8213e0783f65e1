// How much CPU a process uses.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

namespace gotrace::process {

// User and system time of all its threads so far, the ended ones included, in ns; nullopt: it is gone, or not ours to
// see. The kernel keeps it to the nanosecond (clock_getcpuclockid(3)), /proc/PID/stat only to the tick.
[[nodiscard]] std::optional<std::uint64_t> cpu_time_ns(pid_t pid);

}  // namespace gotrace::process
