// The limits of memory and CPU that a process's control groups set, v1 and v2, its own and those of all ancestors.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "records/record.h"

namespace gotrace::process {

struct CgroupMembership {  // a line of /proc/PID/cgroup
  bool v2 = false;
  bool memory = false;  // v1: its controllers include memory; v2: always
  bool cpu = false;     // likewise
  std::string path;     // in the hierarchy, as this process's cgroup namespace shows it
};
[[nodiscard]] std::vector<CgroupMembership> parse_memberships(std::string_view text);

struct CgroupMount {  // a line of mountinfo of type cgroup or cgroup2
  bool v2 = false;
  bool memory = false;
  bool cpu = false;
  std::string root;   // the part of the hierarchy that is mounted
  std::string point;  // where
};
[[nodiscard]] std::vector<CgroupMount> parse_cgroup_mounts(std::string_view mountinfo);

// The directory under `mount` of the cgroup `path`; empty when it lies outside of what is mounted ("/../x").
[[nodiscard]] std::string cgroup_directory(const CgroupMount& mount, std::string_view path);

// Limits that are set, innermost first; "max" and v1's "unlimited" are none. `root`: "" or a directory that stands for
// "/" in tests; `proc_directory`: "/proc/PID" below it.
[[nodiscard]] std::vector<MemoryLimit> cgroup_memory_limits(const std::string& root, const std::string& proc_directory);

// CPUs that the tightest quota allows (0.5: half of one); nullopt: none is set. Arguments as above.
[[nodiscard]] std::optional<double> cgroup_cpu_quota(const std::string& root, const std::string& proc_directory);

}  // namespace gotrace::process
