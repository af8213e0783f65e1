#include "process/memory_write.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

namespace gotrace::process {
namespace {

constexpr char kDone = 'd';

struct Word {  // what the child needs; async-signal-safe calls only from here on
  pid_t pid = 0;
  int pidfd = -1;
  Address address = 0;
  std::uint64_t ours = 0;
  std::uint64_t old = 0;
};

iovec remote_word(Address address) {
  return {reinterpret_cast<void*>(address), sizeof(std::uint64_t)};  // NOLINT(performance-no-int-to-ptr)
}

bool read_remote(pid_t pid, Address address, std::uint64_t& value) {
  const iovec local{&value, sizeof(value)};
  const iovec remote = remote_word(address);
  return ::process_vm_readv(pid, &local, 1, &remote, 1, 0) == sizeof(value);
}

bool write_remote(pid_t pid, Address address, std::uint64_t value) {
  const iovec local{&value, sizeof(value)};
  const iovec remote = remote_word(address);
  return ::process_vm_writev(pid, &local, 1, &remote, 1, 0) == sizeof(value);
}

// All but the two that are needed: probes that we attach later are not ours yet, but stdout may be somebody's pipe.
void close_others(int pipe, int pidfd) {
  const int low = pipe < pidfd ? pipe : pidfd;
  const int high = pipe < pidfd ? pidfd : pipe;
  const auto close_from = [](int first, int last) {
    if (first > last) return;
    if (::syscall(SYS_close_range, first, last, 0) == 0) return;  // Linux 5.9
    const long most = ::sysconf(_SC_OPEN_MAX);
    for (int fd = first; fd <= last && fd < most; ++fd) ::close(fd);
  };
  close_from(0, low - 1);
  close_from(low + 1, high - 1);
  close_from(high + 1, 1 << 20);
}

[[noreturn]] void keep_watch(int pipe, const Word& word) {
  ::setsid();  // Ctrl-C is for our parent
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGPIPE}) ::signal(number, SIG_IGN);
  close_others(pipe, word.pidfd);
  char said = 0;
  ssize_t got = 0;
  do {
    got = ::read(pipe, &said, 1);
  } while (got < 0 && errno == EINTR);
  if (got == 1) ::_exit(0);
  pollfd ended{word.pidfd, POLLIN, 0};
  std::uint64_t value = 0;
  const bool gone = word.pidfd >= 0 && ::poll(&ended, 1, 0) > 0;
  if (!gone && read_remote(word.pid, word.address, value) && value == word.ours)
    write_remote(word.pid, word.address, word.old);
  ::_exit(0);
}

}  // namespace

Status write_word(const Target& target, Address address, std::uint64_t expected, std::uint64_t value) {
  if (!target.alive()) return failure(fmt::format("pid {}: has ended", target.pid()));
  std::uint64_t now = 0;
  if (!read_remote(target.pid(), address, now))
    return failure(fmt::format("pid {}: reading {:#x}: {}", target.pid(), address, std::strerror(errno)));
  if (now != expected) {
    return failure(
        fmt::format("pid {}: {:#x} holds {} instead of {}: left alone", target.pid(), address, now, expected));
  }
  if (!write_remote(target.pid(), address, value))
    return failure(fmt::format("pid {}: writing {:#x}: {}", target.pid(), address, std::strerror(errno)));
  return success();
}

Result<std::unique_ptr<RestoreGuard>> RestoreGuard::start(const Target& target, Address address, std::uint64_t ours,
                                                          std::uint64_t old) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return failure(fmt::format("pipe: {}", std::strerror(errno)));
  UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return failure(fmt::format("fork: {}", std::strerror(errno)));
  if (child == 0) keep_watch(read_end.get(), {target.pid(), target.pidfd(), address, ours, old});
  return std::unique_ptr<RestoreGuard>(new RestoreGuard(child, std::move(write_end)));
}

RestoreGuard::~RestoreGuard() {
  (void)!::write(pipe_.get(), &kDone, 1);
  while (::waitpid(child_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace gotrace::process
