#include "process/stopped_target.h"

#include <dirent.h>
#include <elf.h>
#include <fmt/format.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <ctime>
#include <memory>
#include <optional>

#include "process/proc_text.h"

namespace gotrace::process {
namespace {

constexpr std::uint64_t kLetGoNs = 100'000'000;  // how long we wait for a thread that is to be let go to stop first
constexpr std::size_t kExtendedStateBytes = 16U << 10;  // XSAVE areas are below 12 KiB up to AMX

std::uint64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

void rest() {
  const timespec moment{0, 20'000};
  ::nanosleep(&moment, nullptr);
}

std::vector<pid_t> thread_ids(pid_t pid) {
  std::vector<pid_t> ids;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(fmt::format("/proc/{}/task", pid).c_str()), ::closedir);
  while (directory) {
    const dirent* entry = ::readdir(directory.get());
    if (entry == nullptr) break;
    pid_t id = 0;
    const char* end = entry->d_name + std::strlen(entry->d_name);
    if (std::from_chars(entry->d_name, end, id).ptr == end && id > 0) ids.push_back(id);
  }
  return ids;
}

// 0: nobody, or not to be known.
std::uint64_t tracer_of(pid_t pid, pid_t tid) {
  const auto status = read_proc_text(fmt::format("/proc/{}/task/{}/status", pid, tid));
  const auto numbers = status ? numbers_after(*status, "TracerPid:") : std::vector<std::uint64_t>();
  return numbers.empty() ? 0 : numbers.front();
}

bool is_zombie(pid_t pid, pid_t tid) {
  const auto stat = parse_stat(read_proc_text(fmt::format("/proc/{}/task/{}/stat", pid, tid)).value_or(""));
  return !stat || stat->state == 'Z' || stat->state == 'X';
}

Error cannot_seize(const Target& target, pid_t tid, int error) {
  if (const auto tracer = tracer_of(target.pid(), tid); tracer != 0)
    return {ErrorKind::failed, fmt::format("pid {0} ({1}): cannot be stopped: pid {2} traces it already (a debugger, "
                                           "strace, another prove); end that first",
                                           target.pid(), target.exe(), tracer)};
  if (error == EPERM)
    return {ErrorKind::not_permitted,
            fmt::format("pid {} ({}): not permitted to stop it: CAP_SYS_PTRACE is missing, or a security module (Yama "
                        "ptrace_scope, AppArmor) forbids it; run with sudo, or add SYS_PTRACE to this container",
                        target.pid(), target.exe())};
  return failure(fmt::format("pid {} ({}): cannot stop its thread {}: ptrace: {}", target.pid(), target.exe(), tid,
                             std::strerror(error)));
}

}  // namespace

StoppedTarget::StoppedTarget(StoppedTarget&& other) noexcept
    : held_(std::exchange(other.held_, {})), states_(std::move(other.states_)), begun_ns_(other.begun_ns_) {}

Result<StoppedTarget> StoppedTarget::stop(const Target& target, std::uint64_t deadline_ns) {
  StoppedTarget stopped;
  stopped.begun_ns_ = now_ns();
  for (bool any = true; any;) {  // a thread that still ran may have started another one
    if (auto seized = stopped.seize_new_threads(target, any); !seized) return seized.error();
    if (auto waited = stopped.wait_for_all(target, deadline_ns); !waited) return waited.error();
  }
  std::erase_if(stopped.held_, [](const Held& thread) { return thread.ended; });
  if (stopped.held_.empty())
    return Error{ErrorKind::no_target, fmt::format("pid {} ({}): it has ended", target.pid(), target.exe())};
  if (auto known = stopped.read_registers(target); !known) return known.error();
  return stopped;
}

Status StoppedTarget::seize_new_threads(const Target& target, bool& any) {
  any = false;
  for (const pid_t tid : thread_ids(target.pid())) {
    if (std::ranges::any_of(held_, [tid](const Held& thread) { return thread.tid == tid; })) continue;
    if (::ptrace(PTRACE_SEIZE, tid, nullptr, nullptr) != 0) {
      const int error = errno;
      if (error == ESRCH || is_zombie(target.pid(), tid)) continue;  // ended meanwhile
      return cannot_seize(target, tid, error);
    }
    any = true;
    held_.push_back({.tid = tid});
    ::ptrace(PTRACE_INTERRUPT, tid, nullptr, nullptr);  // fails only when it has ended, which waiting will tell
  }
  return success();
}

// A stop that is none of ours (PTRACE_EVENT_STOP) is one before a signal is delivered: that is done when it goes on.
void StoppedTarget::collect(Held& thread, int status) {
  thread.ended = !WIFSTOPPED(status);
  thread.stopped = WIFSTOPPED(status);
  const bool ours = status >> 16 == PTRACE_EVENT_STOP;
  thread.signal = thread.stopped && !ours ? WSTOPSIG(status) : 0;
}

Status StoppedTarget::wait_for_all(const Target& target, std::uint64_t deadline_ns) {
  for (Held& thread : held_) {
    while (!thread.stopped && !thread.ended) {
      int status = 0;
      const pid_t got = ::waitpid(thread.tid, &status, __WALL | WNOHANG);
      if (got == thread.tid) {
        collect(thread, status);
      } else if (got < 0 && errno != EINTR) {
        thread.ended = true;
      } else if (now_ns() >= deadline_ns) {
        return failure(
            fmt::format("pid {} ({}): given up: its thread {} did not stop in time (it waits in the kernel); "
                        "the process goes on; try again, or raise --max-pause",
                        target.pid(), target.exe(), thread.tid));
      } else {
        rest();
      }
    }
  }
  return success();
}

Status StoppedTarget::read_registers(const Target& target) {
  std::vector<std::byte> extended(kExtendedStateBytes);
  for (const Held& thread : held_) {
    StoppedThread state;
    state.tid = thread.tid;
    user_regs_struct general{};
    iovec into{&general, sizeof general};
    iovec into_extended{extended.data(), extended.size()};
    if (::ptrace(PTRACE_GETREGSET, thread.tid, NT_PRSTATUS, &into) != 0 ||
        ::ptrace(PTRACE_GETREGSET, thread.tid, NT_X86_XSTATE, &into_extended) != 0) {
      return failure(fmt::format("pid {} ({}): cannot read the registers of its thread {}: {}", target.pid(),
                                 target.exe(), thread.tid, std::strerror(errno)));
    }
    state.program_counter = general.rip;
    state.stack_pointer = general.rsp;
    state.thread_pointer = general.fs_base;
    state.in_system_call = static_cast<long long>(general.orig_rax) >= 0;  // -1: it was interrupted in its own code
    state.registers.resize(sizeof general / 8);
    std::memcpy(state.registers.data(), &general, sizeof general);
    state.extended.resize(into_extended.iov_len / 8);
    std::memcpy(state.extended.data(), extended.data(), into_extended.iov_len / 8 * 8);
    states_.push_back(std::move(state));
  }
  return success();
}

void StoppedTarget::resume() {
  const std::uint64_t give_up_ns = now_ns() + kLetGoNs;
  for (Held& thread : held_) {
    // Only a thread that stands still can be let go. One that never stops is let go by the kernel when we end.
    while (!thread.stopped && !thread.ended && now_ns() < give_up_ns) {
      int status = 0;
      if (::waitpid(thread.tid, &status, __WALL | WNOHANG) == thread.tid) collect(thread, status);
      if (!thread.stopped) rest();
    }
    if (thread.stopped) ::ptrace(PTRACE_DETACH, thread.tid, nullptr, static_cast<long>(thread.signal));
  }
  held_.clear();
}

}  // namespace gotrace::process
