// The Go processes of this host.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gotrace::process {

struct ProcessEntry {
  pid_t pid = 0;
  pid_t ns_pid = 0;          // as its innermost pid namespace numbers it
  std::string exe;           // readlink of /proc/PID/exe, " (deleted)" taken off
  std::string container_id;  // 64 hex digits; empty: none is known
  std::uint64_t rss_bytes = 0;
  double uptime_seconds = 0;
  std::int64_t started_wall_ns = 0;  // CLOCK_REALTIME
  std::vector<std::string> args;     // may hold secrets: show only when asked to
};

// Those that can be read; processes of others are passed over without privileges. By rising pid. `proc`: where procfs
// is mounted.
[[nodiscard]] std::vector<ProcessEntry> go_processes(const std::string& proc = "/proc");
// Those whose executable's file name is exactly `name`.
[[nodiscard]] std::vector<ProcessEntry> go_processes_named(std::string_view name, const std::string& proc = "/proc");

// Whether the open executable has Go build info (Go 1.13 and later). Reads its headers and the part of its data where
// the linker puts it, no more than 1 MiB; the file offset of `exe_fd` does not matter.
[[nodiscard]] bool looks_like_go(int exe_fd);

// The container's id in a cgroup path: of docker, containerd, CRI-O, podman, Kubernetes. Empty: not a container's.
[[nodiscard]] std::string container_id_of(std::string_view cgroup_path);

}  // namespace gotrace::process
