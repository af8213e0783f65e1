#include "process/own_memory.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>

#include "base/unique_fd.h"
#include "process/memory_figures.h"

namespace gotrace::process {
namespace {

std::uint64_t left(const MemoryLimit& limit) { return limit.bytes - std::min(limit.bytes, limit.used_bytes); }

std::string where(const MemoryLimit& limit) {
  switch (limit.kind) {
    case LimitKind::cgroup:
      return "in cgroup " + limit.path;
    case LimitKind::rlimit:
      return "by the limit of its address space (ulimit -v)";
    case LimitKind::gomemlimit:
    case LimitKind::machine:
      break;
  }
  return "on this machine";
}

}  // namespace

std::optional<FreeMemory> free_memory_below(const std::string& root, pid_t pid) {
  const auto figures = read_memory_figures_below(root, pid, 0);
  if (!figures || figures->limits.empty()) return std::nullopt;
  const auto tightest = std::ranges::min_element(figures->limits, {}, left);
  return FreeMemory{left(*tightest), where(*tightest)};
}

std::optional<FreeMemory> free_memory() { return free_memory_below("", ::getpid()); }

std::optional<std::uint64_t> free_on_disk(const std::string& folder) {
  struct statvfs space {};
  if (::statvfs(folder.c_str(), &space) != 0) return std::nullopt;
  return static_cast<std::uint64_t>(space.f_bavail) * space.f_frsize;
}

void be_killed_first() {
  constexpr std::string_view kFirst = "1000";
  const UniqueFd file(::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
  if (file) (void)!::write(file.get(), kFirst.data(), kFirst.size());
}

}  // namespace gotrace::process
