#include "cli/output.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <fmt/format.h>

#include "base/unique_fd.h"

namespace gotrace::cli {
namespace {

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(fd, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

// Under sudo the file belongs to whoever asked for it.
void give_to_caller(int fd) {
  const char* uid = std::getenv("SUDO_UID");
  const char* gid = std::getenv("SUDO_GID");
  if (::geteuid() != 0 || uid == nullptr || gid == nullptr) return;
  const int failed = ::fchown(fd, static_cast<uid_t>(std::strtoul(uid, nullptr, 10)),
                              static_cast<gid_t>(std::strtoul(gid, nullptr, 10)));
  if (failed != 0) print_note(fmt::format("warning: the file stays root's: {}", std::strerror(errno)));
}

}  // namespace

bool write_stdout(std::string_view text) { return write_all(STDOUT_FILENO, text); }

Status write_file(const std::string& path, std::string_view text, bool force) {
  const std::string made = force ? fmt::format("{}.{}.tmp", path, ::getpid()) : path;
  UniqueFd fd(::open(made.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) {
    if (errno == EEXIST) return failure(fmt::format("{} exists; use --force to replace it", made));
    return failure(fmt::format("{}: cannot create it: {}", made, std::strerror(errno)));
  }
  give_to_caller(fd.get());
  if (!write_all(fd.get(), text)) {
    const int error = errno;
    ::unlink(made.c_str());
    return failure(fmt::format("{}: cannot write: {}", path, std::strerror(error)));
  }
  if (force && ::rename(made.c_str(), path.c_str()) != 0) {
    const int error = errno;
    ::unlink(made.c_str());
    return failure(fmt::format("{}: cannot replace it: {}", path, std::strerror(error)));
  }
  return success();
}

void print_error(const Error& error) { print_note(error.text); }

void print_note(std::string_view line) {
  const std::string text = fmt::format("gotrace-leak: {}\n", line);
  if (!write_all(STDERR_FILENO, text)) return;  // nobody left to tell
}

int exit_code(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::failed: return 1;
    case ErrorKind::usage: return 2;
    case ErrorKind::no_target: return 5;
    case ErrorKind::not_permitted: return 6;
  }
  return 1;
}

}  // namespace gotrace::cli
