#include "process/target_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

#include <cerrno>
#include <cstring>

namespace gotrace::process {

Result<TargetLock> TargetLock::take(const Target& target) {
  const auto path = fmt::format("/proc/{}", target.pid());
  UniqueFd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory || !target.alive())
    return Error{ErrorKind::no_target, fmt::format("pid {} ({}): it has ended", target.pid(), target.exe())};
  if (::flock(directory.get(), LOCK_EX | LOCK_NB) == 0) return TargetLock(std::move(directory));
  if (errno == EWOULDBLOCK)
    return failure(fmt::format("pid {} ({}): another gotrace-leak prove looks at it; wait until that one is done",
                               target.pid(), target.exe()));
  return failure(
      fmt::format("pid {} ({}): cannot lock {}: {}", target.pid(), target.exe(), path, std::strerror(errno)));
}

}  // namespace gotrace::process
