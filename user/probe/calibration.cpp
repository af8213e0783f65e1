#include "probe/calibration.h"

#include <fmt/format.h>
#include <link.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>

#include "base/unique_fd.h"
#include "probe/attach.h"
#include "probe/clock.h"

// The first instruction of each is a site of one kind. The `jbe` is not taken: the stack pointer is not 0.
asm(R"(
.pushsection .text
.type gotrace_site_push, @function
gotrace_site_push: push %rbp
  pop %rbp
  ret
.type gotrace_site_branch, @function
gotrace_site_branch: test %rsp, %rsp
gotrace_site_branch_itself: jbe 1f
1: ret
.type gotrace_site_stepped, @function
gotrace_site_stepped: sub $8, %rsp
  add $8, %rsp
  ret
.popsection
)");
extern "C" {
void gotrace_site_push();
void gotrace_site_branch();
void gotrace_site_branch_itself();
void gotrace_site_stepped();
}

namespace gotrace::probe {
namespace {

using Function = void (*)();
constexpr int kCalls = 300;  // a batch: 0.1 ms to 8 ms
constexpr std::size_t kBatches = 5;
constexpr std::size_t kStackBytes = 64 << 10;

struct Place {
  Function function = nullptr;
  std::uintptr_t site = 0;
};

Place place_of(SiteKind kind) {
  switch (kind) {
    case SiteKind::push_frame:
      return {gotrace_site_push, reinterpret_cast<std::uintptr_t>(&gotrace_site_push)};
    case SiteKind::stack_check_branch:
      return {gotrace_site_branch, reinterpret_cast<std::uintptr_t>(&gotrace_site_branch_itself)};
    case SiteKind::stepped:
      break;
  }
  return {gotrace_site_stepped, reinterpret_cast<std::uintptr_t>(&gotrace_site_stepped)};
}

struct OffsetSearch {
  std::uintptr_t address = 0;
  std::optional<std::uint64_t> offset;
};

// The first object that dl_iterate_phdr names is the executable itself, static or not.
std::optional<std::uint64_t> offset_in_own_executable(std::uintptr_t address) {
  OffsetSearch search{address, {}};
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* data) {
        auto& wanted = *static_cast<OffsetSearch*>(data);
        for (int i = 0; i < info->dlpi_phnum; ++i) {
          const auto& header = info->dlpi_phdr[i];
          const std::uintptr_t begin = info->dlpi_addr + header.p_vaddr;
          if (header.p_type != PT_LOAD || wanted.address < begin || wanted.address - begin >= header.p_filesz) continue;
          wanted.offset = header.p_offset + (wanted.address - begin);
        }
        return 1;
      },
      &search);
  return search.offset;
}

struct Worker {  // what the child's thread needs; async-signal-safe calls only, our other threads may hold locks
  int channel = -1;
  Function function = nullptr;
};

int work(void* argument) {
  const auto& worker = *static_cast<const Worker*>(argument);
  char order = 0;
  while (read(worker.channel, &order, 1) == 1) {
    const std::uint64_t begin = clock_ns();
    for (int i = 0; i < kCalls; ++i) worker.function();
    const std::uint64_t spent = clock_ns() - begin;
    if (write(worker.channel, &spent, sizeof(spent)) != sizeof(spent)) break;
  }
  _exit(0);  // all of the child
}

// Runs in the child. The calls are made by its second thread, since a broken pid filter lets only the first one's in.
[[noreturn]] void run_child(Worker worker, void* stack_top) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  constexpr int kThread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
  if (clone(work, stack_top, kThread, &worker) < 0) _exit(1);
  for (;;) pause();
}

class Child {
 public:
  Child() = default;
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
      }
    }
    if (stack_ != MAP_FAILED) munmap(stack_, kStackBytes);
  }

  Status start(Function function) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return system_error("socketpair");
    channel_.reset(ends[0]);
    const UniqueFd child_end(ends[1]);
    stack_ = mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack_ == MAP_FAILED) return system_error("mmap");
    pid_ = fork();
    if (pid_ < 0) return system_error("fork");
    if (pid_ == 0) {
      ::close(channel_.get());  // or the worker would never see it closed; destructors are the parent's to run
      run_child({child_end.get(), function}, static_cast<char*>(stack_) + kStackBytes);
    }
    return success();
  }

  // One batch: nanoseconds for kCalls calls.
  [[nodiscard]] std::optional<std::uint64_t> batch() {
    const char order = 'r';
    std::uint64_t spent = 0;
    if (send(channel_.get(), &order, 1, MSG_NOSIGNAL) != 1) return std::nullopt;
    if (recv(channel_.get(), &spent, sizeof(spent), MSG_WAITALL) != sizeof(spent)) return std::nullopt;
    return spent;
  }
  [[nodiscard]] std::optional<std::uint64_t> median() {
    std::array<std::uint64_t, kBatches> times{};
    for (auto& time : times) {
      const auto spent = batch();
      if (!spent) return std::nullopt;
      time = *spent;
    }
    std::ranges::sort(times);
    return times[kBatches / 2];
  }
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  static Error system_error(const char* what) {
    return failure(fmt::format("calibrating the cost of a probe: {}: {}", what, std::strerror(errno)));
  }
  pid_t pid_ = -1;
  UniqueFd channel_;
  void* stack_ = MAP_FAILED;
};

}  // namespace

Result<std::uint64_t> calibrate_trap(const KernelSide& kernel, SiteKind kind) {
  const auto place = place_of(kind);
  const auto offset = offset_in_own_executable(place.site);
  if (!offset) return failure("calibrating the cost of a probe: our own executable was not found");
  Child child;
  if (auto started = child.start(place.function); !started) return started.error();
  const auto plain = child.median();
  const auto before = kernel.counters(GOTRACE_CALIBRATE);
  if (!plain || !before) return failure("calibrating the cost of a probe: the child ended");
  const std::array offsets{*offset};
  auto attached =
      attach_program(kernel.kind(), kernel.program_fd(GOTRACE_CALIBRATE), {"/proc/self/exe", offsets, child.pid()});
  if (!attached) return attached.error();
  const auto probed = child.median();
  const auto after = kernel.counters(GOTRACE_CALIBRATE);
  if (!probed || !after) return failure("calibrating the cost of a probe: the child ended");
  if (after->traps - before->traps != kCalls * kBatches) {
    return failure(fmt::format("{} of {} hits of a thread arrived: this kernel loses hits",
                               after->traps - before->traps, kCalls * kBatches));
  }
  return (*probed - std::min(*plain, *probed)) / kCalls;
}

}  // namespace gotrace::probe
