#include "process/target.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <ctime>
#include <fstream>
#include <sstream>
#include <string_view>
#include <utility>

#include "process/proc_text.h"

namespace gotrace::process {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint32_t kKernelThread = 0x00200000;  // PF_KTHREAD, include/linux/sched.h
constexpr unsigned kCapabilityPtrace = 19;           // CAP_SYS_PTRACE, include/uapi/linux/capability.h

std::string proc_path(pid_t pid, std::string_view name) { return fmt::format("/proc/{}/{}", pid, name); }

std::string link_text(const std::string& path) {
  std::array<char, 4096 + 16> buffer;
  const ssize_t length = ::readlink(path.c_str(), buffer.data(), buffer.size());
  return length < 0 ? std::string() : std::string(buffer.data(), static_cast<std::size_t>(length));
}

std::optional<ProcStat> read_stat(pid_t pid) { return parse_stat(read_proc_text(proc_path(pid, "stat")).value_or("")); }

// The value of "Key:" in a /proc/PID/status.
std::string status_field(const std::string& path, std::string_view key) {
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with(key) || line.size() <= key.size() || line[key.size()] != ':') continue;
    const auto value = line.find_first_not_of(" \t", key.size() + 1);
    return value == std::string::npos ? std::string() : line.substr(value);
  }
  return {};
}

bool holds_ptrace_capability() {
  const std::string text = status_field("/proc/self/status", "CapEff");
  std::uint64_t set = 0;
  std::from_chars(text.data(), text.data() + text.size(), set, 16);
  return ((set >> kCapabilityPtrace) & 1) != 0;
}

Error no_process(pid_t pid) { return {ErrorKind::no_target, fmt::format("pid {}: no such process", pid)}; }

Error not_permitted(pid_t pid) {
  if (holds_ptrace_capability()) {
    return {ErrorKind::not_permitted,
            fmt::format("pid {}: not permitted to read its memory although CAP_SYS_PTRACE is held: a security module "
                        "(Yama ptrace_scope 3, SELinux, AppArmor), seccomp or a user namespace forbids it",
                        pid)};
  }
  return {ErrorKind::not_permitted, fmt::format("pid {}: not permitted to read its memory: CAP_SYS_PTRACE is missing; "
                                                "run with sudo, or add SYS_PTRACE to this container",
                                                pid)};
}

// pidfd_open: Linux 5.3. EINVAL (ENOENT from 6.15 on): the number is a thread's.
Result<UniqueFd> open_pidfd(pid_t pid) {
  const long fd = ::syscall(SYS_pidfd_open, pid, 0);
  if (fd >= 0) return UniqueFd(static_cast<int>(fd));
  if (errno == ESRCH || pid <= 0) return no_process(pid);
  if (errno == EINVAL || errno == ENOENT) {
    const std::string leader = status_field(proc_path(pid, "status"), "Tgid");
    if (leader.empty()) return no_process(pid);
    return Error{ErrorKind::no_target, fmt::format("pid {0}: a thread of process {1}; use -p {1}", pid, leader)};
  }
  return failure(fmt::format("pid {}: pidfd_open: {}", pid, std::strerror(errno)));
}

// The kernel checks the permission before it looks at the address: EFAULT at an address that is never mapped says yes.
Status check_readable(pid_t pid) {
  std::byte byte{};
  const iovec local{&byte, 1};
  const iovec remote{nullptr, 1};
  if (::process_vm_readv(pid, &local, 1, &remote, 1, 0) >= 0 || errno == EFAULT) return success();
  if (errno == ESRCH) return no_process(pid);
  if (errno == EPERM) return not_permitted(pid);
  return failure(fmt::format("pid {}: process_vm_readv: {}", pid, std::strerror(errno)));
}

bool same_file(const struct stat& a, const struct stat& b) { return a.st_dev == b.st_dev && a.st_ino == b.st_ino; }

// /proc/PID/exe ends in " (deleted)" when the file was unlinked or replaced, and also when that is its name.
bool is_deleted(pid_t pid, const std::string& link, const struct stat& running) {
  if (!link.ends_with(" (deleted)")) return false;
  struct stat named {};
  return ::stat((proc_path(pid, "root") + link).c_str(), &named) != 0 || !same_file(named, running);
}

std::uint64_t clock_ns(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * kSecond + static_cast<std::uint64_t>(now.tv_nsec);
}

// How long ago a process started that has this start time (clock ticks since boot, CLOCK_BOOTTIME).
std::uint64_t age_ns(std::uint64_t start_ticks) {
  const auto ticks_per_second = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  const std::uint64_t start =
      start_ticks / ticks_per_second * kSecond + start_ticks % ticks_per_second * kSecond / ticks_per_second;
  const std::uint64_t now = clock_ns(CLOCK_BOOTTIME);
  return now > start ? now - start : 0;
}

// "7f00-7f01 r-xp 00001000 fe:00 1234   /path": fs/proc/task_mmu.c, show_map_vma.
std::optional<Mapping> parse_mapping(const std::string& line) {
  std::istringstream in(line);
  Mapping mapping;
  std::string permissions;
  char dash = 0;
  char colon = 0;
  in >> std::hex >> mapping.begin >> dash >> mapping.end >> permissions >> mapping.file_offset >>
      mapping.device_major >> colon >> mapping.device_minor >> std::dec >> mapping.inode;
  if (!in || dash != '-' || colon != ':' || permissions.size() < 3) return std::nullopt;
  mapping.readable = permissions[0] == 'r';
  mapping.writable = permissions[1] == 'w';
  mapping.executable = permissions[2] == 'x';
  std::getline(in >> std::ws, mapping.path);
  return mapping;
}

// 0: hidden from us, or gone.
std::uint64_t stack_start_of(pid_t pid) {
  const auto stat = read_stat(pid);
  return stat ? stat->stack_start : 0;
}

// An exec in progress has a stack already that still moves; where code and stack begin is stored together at its end
// (fs/binfmt_elf.c, load_elf_binary), hence the second read. 0 also where the exec takes longer than half a second.
std::uint64_t settled_stack_start_of(pid_t pid) {
  for (int i = 0; i < 500; ++i) {
    const auto stat = read_stat(pid);
    if (!stat) return 0;
    if (stat->code_start != 0) return stack_start_of(pid);
    ::usleep(1000);
  }
  return 0;
}

}  // namespace

Result<Target> Target::open(pid_t pid) {
  if (pid <= 0) return no_process(pid);
  if (pid == ::getpid()) {
    return Error{ErrorKind::no_target, fmt::format("pid {}: this is gotrace-leak itself", pid)};
  }
  Target target;
  target.pid_ = pid;
  auto pidfd = open_pidfd(pid);
  if (!pidfd) return pidfd.error();
  target.pidfd_ = std::move(*pidfd);
  const auto stat = read_stat(pid);
  if (!stat) return no_process(pid);
  if (stat->state == 'Z' || stat->state == 'X') {
    return Error{ErrorKind::no_target,
                 fmt::format("pid {}: has ended already (a zombie that its parent has not collected)", pid)};
  }
  if ((stat->flags & kKernelThread) != 0) {
    return Error{ErrorKind::no_target, fmt::format("pid {}: a kernel thread, not a Go program", pid)};
  }
  target.start_ticks_ = stat->start_ticks;
  if (auto readable = check_readable(pid); !readable) return readable.error();
  target.stack_start_ = settled_stack_start_of(pid);

  const std::string exe = proc_path(pid, "exe");
  target.exe_fd_.reset(::open(exe.c_str(), O_RDONLY | O_CLOEXEC));
  if (!target.exe_fd_) {
    if (errno == EACCES || errno == EPERM) return not_permitted(pid);
    if (errno == ENOENT || errno == ESRCH) return no_process(pid);
    return failure(fmt::format("pid {}: cannot open {}: {}", pid, exe, std::strerror(errno)));
  }
  target.exe_ = link_text(exe);
  struct stat running {};
  if (::fstat(target.exe_fd_.get(), &running) != 0) {
    return failure(fmt::format("pid {}: cannot stat {}: {}", pid, exe, std::strerror(errno)));
  }
  target.exe_deleted_ = is_deleted(pid, target.exe_, running);
  if (target.exe_deleted_) target.exe_.resize(target.exe_.size() - std::strlen(" (deleted)"));
  target.memory_ = std::make_unique<LiveMemory>(pid);
  return target;
}

Target Target::of_file(PostMortem facts, UniqueFd exe, std::unique_ptr<RemoteMemory> memory) {
  Target target;
  target.pid_ = facts.pid;
  target.exe_ = facts.exe;
  target.exe_deleted_ = facts.exe_deleted;
  target.exe_fd_ = std::move(exe);
  target.memory_ = std::move(memory);
  target.post_mortem_ = std::move(facts);
  return target;
}

Result<Target> Target::seen_through(std::unique_ptr<RemoteMemory> memory) const {
  Target target;
  target.pid_ = pid_;
  target.exe_ = exe_;
  target.exe_deleted_ = exe_deleted_;
  target.exe_fd_.reset(::fcntl(exe_fd_.get(), F_DUPFD_CLOEXEC, 0));
  target.pidfd_.reset(::fcntl(pidfd_.get(), F_DUPFD_CLOEXEC, 0));
  if (!target.exe_fd_ || !target.pidfd_)
    return failure(fmt::format("pid {}: cannot keep it open once more: {}", pid_, std::strerror(errno)));
  target.start_ticks_ = start_ticks_;
  target.stack_start_ = stack_start_;
  target.memory_ = std::move(memory);
  return target;
}

std::uint64_t Target::started_ns() const {
  if (post_mortem_) return post_mortem_->started_ns;
  const std::uint64_t now = clock_ns(CLOCK_MONOTONIC);
  const std::uint64_t age = age_ns(start_ticks_);
  return now > age ? now - age : 0;  // 0: it started before the clock did, as after a suspend
}

std::int64_t Target::started_wall_ns() const {
  if (post_mortem_) return post_mortem_->started_wall_ns;
  return static_cast<std::int64_t>(clock_ns(CLOCK_REALTIME)) - static_cast<std::int64_t>(age_ns(start_ticks_));
}

// A pidfd survives an exec; the executable's identity tells that, and where its stack begins if it is the same file.
bool Target::alive() const {
  if (post_mortem_) return false;
  pollfd ended{pidfd_.get(), POLLIN, 0};
  if (::poll(&ended, 1, 0) != 0) return false;
  struct stat mine {};
  struct stat running {};
  if (::fstat(exe_fd_.get(), &mine) != 0 || ::stat(proc_path(pid_, "exe").c_str(), &running) != 0) {
    return errno != ENOENT && errno != ESRCH;
  }
  if (!same_file(mine, running)) return false;
  const std::uint64_t now = stack_start_of(pid_);
  return now == stack_start_ || now == 0 || stack_start_ == 0;
}

Result<std::vector<Mapping>> Target::mappings() const {
  if (post_mortem_) return failure(fmt::format("pid {}: its mappings are not known any more", pid_));
  const std::string path = proc_path(pid_, "maps");
  std::ifstream in(path);
  if (!in) return failure(fmt::format("pid {}: cannot read {}: {}", pid_, path, std::strerror(errno)));
  std::vector<Mapping> mappings;
  for (std::string line; std::getline(in, line);) {
    if (auto mapping = parse_mapping(line)) mappings.push_back(std::move(*mapping));
  }
  if (mappings.empty()) return no_process(pid_);
  return mappings;
}

}  // namespace gotrace::process
