#include "trace/output.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "base/private_file.h"
#include "base/units.h"

namespace gotrace::trace {
namespace {

Error creation_error(const std::string& path, int code) {
  return failure(fmt::format("{}: can't create the trace: {}", path, system_text(code)));
}

// A new file takes the place of the old one at once, not at the end: a recorder that is killed leaves what it wrote
// under the name that was asked for.
Result<UniqueFd> open_in_place_of(const std::string& path) {
  const std::string temporary = fmt::format("{}.{}.new", path, ::getpid());
  UniqueFd fd = create_private(temporary);
  if (!fd) return creation_error(temporary, errno);
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    const int code = errno;
    ::unlink(temporary.c_str());
    return creation_error(path, code);
  }
  return fd;
}

Result<UniqueFd> open_file(const std::string& path, bool replace) {
  UniqueFd fd = create_private(path);
  if (fd) return fd;
  const int code = errno;
  struct stat there {};
  if ((code != EEXIST && code != ELOOP) || ::lstat(path.c_str(), &there) != 0) return creation_error(path, code);
  if (!replace || !S_ISREG(there.st_mode)) return occupied(path, there.st_mode, replace);
  return open_in_place_of(path);
}

// Writes once; waits where a non-blocking stdout is full. The number of bytes, or -1 with errno.
ssize_t write_some(int fd, std::string_view bytes) {
  for (;;) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written >= 0 || (errno != EINTR && errno != EAGAIN)) return written;
    if (errno == EAGAIN) {
      pollfd ready{fd, POLLOUT, 0};
      ::poll(&ready, 1, -1);
    }
  }
}

}  // namespace

Result<Output> Output::create(const std::string& path, bool replace) {
  if (path == "-") {
    if (::isatty(STDOUT_FILENO) == 1) {
      return Error{ErrorKind::usage, "stdout is a terminal and a trace is not text; use -o FILE or a pipe"};
    }
    UniqueFd fd(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0));
    if (!fd) return creation_error("stdout", errno);
    return on(std::move(fd), "stdout");
  }
  auto fd = open_file(path, replace);
  if (!fd) return fd.error();
  give_to_sudo_user(fd->get());
  return Output(std::move(*fd), path, true);
}

Output Output::on(UniqueFd fd, std::string name) { return {std::move(fd), std::move(name), false}; }

Error Output::error(int code) const {
  return failure(fmt::format("{}: {} after {}; what was written stays readable", name_, system_text(code),
                             format_bytes(static_cast<double>(written_))));
}

Status Output::append(std::string_view bytes) {
  std::string_view rest = bytes;
  while (!rest.empty()) {
    const ssize_t count = write_some(fd_.get(), rest);
    if (count < 0) {
      const Error failed = error(errno);
      // Should this fail too, the reader finds a cut-off chunk and says so.
      if (own_) [[maybe_unused]]
        const int ignored = ::ftruncate(fd_.get(), static_cast<off_t>(written_));
      return failed;
    }
    rest.remove_prefix(static_cast<std::size_t>(count));
  }
  written_ += bytes.size();
  return success();
}

Status Output::close() {
  const int fd = fd_.release();
  if (fd < 0 || ::close(fd) == 0 || errno == EINTR) return success();
  return error(errno);
}

}  // namespace gotrace::trace
