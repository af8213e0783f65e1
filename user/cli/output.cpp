#include "cli/output.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "cli/messages.h"

namespace gotrace::cli {

namespace {

Error cannot_write(const std::string& path) {
  return failure(fmt::format("{}: can't write: {}", path, std::strerror(errno)));
}

// Under sudo the file belongs to who called: nobody wants root's files in their home.
void give_to_caller(int file) {
  const auto number = [](const char* variable) -> long {
    const char* text = std::getenv(variable);
    if (text == nullptr || ::geteuid() != 0) return -1;
    long value = -1;
    const auto parsed = std::from_chars(text, text + std::strlen(text), value);
    return parsed.ec == std::errc() && *parsed.ptr == '\0' && value >= 0 ? value : -1;
  };
  const long user = number("SUDO_UID"), group = number("SUDO_GID");
  if (user < 0) return;
  // Not vital: the report is there all the same, only root's.
  if (::fchown(file, static_cast<uid_t>(user), group < 0 ? static_cast<gid_t>(-1) : static_cast<gid_t>(group)) != 0)
    return;
}

bool write_all(int file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(file, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EAGAIN) {  // a terminal that somebody made non-blocking
      pollfd ready{file, POLLOUT, 0};
      ::poll(&ready, 1, 1000);
      continue;
    }
    if (written <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace

// With --force the new file is made beside the old one and takes its name when it is complete: a failure half-way
// leaves the old one.
Result<Output> Output::open(const std::string& path, bool replace) {
  Output output;
  if (path.empty() || path == "-") return output;
  output.path_ = path;
  output.replace_ = replace;
  struct stat existing {};
  const bool exists = ::lstat(path.c_str(), &existing) == 0;
  if (exists && !replace) return failure(fmt::format("{} exists; use --force to replace it", path));
  if (exists && !S_ISREG(existing.st_mode)) return failure(fmt::format("{}: not a regular file; name another", path));
  output.temporary_ = replace ? fmt::format("{}.{}.part", path, ::getpid()) : path;
  output.file_.reset(::open(output.temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!output.file_) {
    output.temporary_.clear();  // not ours to remove
    if (errno == EEXIST) return failure(fmt::format("{} exists; use --force to replace it", path));
    return cannot_write(path);
  }
  give_to_caller(output.file_.get());
  return output;
}

// A file that was not finished is of no use to anybody.
Output::~Output() {
  if (file_ && !temporary_.empty()) ::unlink(temporary_.c_str());
}

Status Output::write(std::string_view text) {
  if (is_stdout()) {
    if (write_all(STDOUT_FILENO, text)) return success();
    broken_pipe_ = errno == EPIPE;
    return failure(fmt::format("stdout: can't write: {}", std::strerror(errno)));
  }
  return write_all(file_.get(), text) ? success() : Status(cannot_write(path_));
}

Status Output::finish() {
  if (is_stdout()) return success();
  if (replace_ && ::rename(temporary_.c_str(), path_.c_str()) != 0) return cannot_write(path_);
  temporary_.clear();
  if (::close(file_.release()) != 0) return cannot_write(path_);
  say("wrote " + path_);
  return success();
}

bool stdout_closed() {
  pollfd reader{STDOUT_FILENO, 0, 0};
  return ::poll(&reader, 1, 0) > 0 && (reader.revents & (POLLERR | POLLNVAL)) != 0;
}

}  // namespace gotrace::cli
