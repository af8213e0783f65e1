// What the system says about a process's memory: the columns of top, and the limits it runs under.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "process/target.h"
#include "records/record.h"

namespace gotrace::process {

// nullopt: it can't be read, the process has ended. Limits: its cgroup and all of that one's ancestors, innermost
// first, then RLIMIT_AS, then the machine. `now_ns`: CLOCK_MONOTONIC, becomes time_ns.
[[nodiscard]] std::optional<MemoryFigures> read_memory_figures(const Target& target, std::uint64_t now_ns);

// The same for tests: `root` is the directory that stands for "/".
[[nodiscard]] std::optional<MemoryFigures> read_memory_figures_below(const std::string& root, pid_t pid,
                                                                     std::uint64_t now_ns);

}  // namespace gotrace::process
