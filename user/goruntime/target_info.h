// TargetInfo: the process and the program in one record.
#pragma once

#include <string>
#include <string_view>

#include "goruntime/program.h"
#include "records/record.h"

namespace gotrace::goruntime {

[[nodiscard]] TargetInfo make_target_info(const Program& program);

// The id in a cgroup path of Docker, containerd, CRI-O or Podman: 64 hexadecimal digits, the last such; else empty.
[[nodiscard]] std::string container_id_of(std::string_view cgroup_path);

// The path of the v1 memory controller in a /proc/PID/cgroup, which is where memory is limited on a hybrid host;
// without one, that of the v2 line ("0::/path").
[[nodiscard]] std::string cgroup_path_of(std::string_view proc_cgroup);

}  // namespace gotrace::goruntime
