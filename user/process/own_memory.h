// How much memory this process may still take, before it or something else on the machine would have to be killed.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

namespace gotrace::process {

struct FreeMemory {
  std::uint64_t bytes = 0;
  std::string where;  // what sets the limit: "on this machine", "in cgroup /user.slice"
};

// By the tightest limit: of its cgroups, of its address space, of the machine. nullopt: not known.
[[nodiscard]] std::optional<FreeMemory> free_memory();
// The same of process `pid` for tests: `root` is the directory that stands for "/".
[[nodiscard]] std::optional<FreeMemory> free_memory_below(const std::string& root, pid_t pid);

// Bytes that may still be written to a file in `folder`; nullopt: not known.
[[nodiscard]] std::optional<std::uint64_t> free_on_disk(const std::string& folder);

// Whatever takes too much memory, the kernel shall kill this process rather than another (proc_pid_oom_score_adj(5)).
void be_killed_first();

}  // namespace gotrace::process
