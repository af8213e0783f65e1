#include "probe/calibration.h"

#include <fmt/format.h>
#include <link.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <numeric>
#include <optional>
#include <span>
#include <thread>
#include <vector>

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
constexpr int kCalls = 100;  // a batch: 0.03 ms to 3 ms
constexpr std::size_t kBatches = 3;
constexpr std::uint32_t kMostThreads = 4;
constexpr std::size_t kStackBytes = 64 << 10;
constexpr std::size_t kColdCalls = 100;
constexpr std::size_t kSweptBytes = 1 << 20;  // what a server touches between two hits pushes the kernel's lines out
constexpr std::size_t kCacheLine = 64;
constexpr char kHot = 'h';
constexpr char kCold = 'c';
constexpr char kUntilFast = 'f';
constexpr int kFastCalls = 32;                   // in a row: the probe is gone
constexpr std::uint64_t kLongest = 100'000'000;  // ns that are waited for that

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

struct Worker {  // what a thread of the child needs; async-signal-safe calls only, our other threads may hold locks
  int channel = -1;
  Function function = nullptr;
  const volatile char* swept = nullptr;  // kSweptBytes
};

// What the thread itself used, waiting for locks in the kernel included: who else runs on this machine does not count.
std::uint64_t thread_cpu_ns() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(time.tv_nsec);
}

// A tight loop: ns of kCalls calls.
std::uint64_t call_hot(const Worker& worker) {
  const std::uint64_t begin = thread_cpu_ns();
  for (int i = 0; i < kCalls; ++i) worker.function();
  return thread_cpu_ns() - begin;
}

// ns of one call, its caches swept before: the mean of the lower nine tenths, since the rest was interrupted.
std::uint64_t call_cold(const Worker& worker) {
  std::array<std::uint64_t, kColdCalls> times;
  for (auto& time : times) {
    for (std::size_t at = 0; at < kSweptBytes; at += kCacheLine) (void)worker.swept[at];
    const std::uint64_t begin = clock_ns();
    worker.function();
    time = clock_ns() - begin;
  }
  std::sort(times.begin(), times.end());
  constexpr std::size_t kKept = kColdCalls * 9 / 10;
  return std::accumulate(times.begin(), times.begin() + kKept, std::uint64_t{0}) / kKept;
}

// When (clock_ns) the last call took longer than the order says that fast ones do; of a probe that stays, the last of
// kLongest ns.
std::uint64_t call_until_fast(const Worker& worker) {
  std::uint64_t fast_ns = 0;
  if (read(worker.channel, &fast_ns, sizeof(fast_ns)) != sizeof(fast_ns)) return 0;
  const std::uint64_t begin = clock_ns();
  std::uint64_t last = begin;
  for (int fast = 0; fast < kFastCalls;) {
    const std::uint64_t before = clock_ns();
    worker.function();
    const std::uint64_t after = clock_ns();
    ++fast;
    if (after - before < fast_ns) continue;
    fast = 0;
    last = after;
    if (after - begin > kLongest) break;
  }
  return last;
}

std::uint64_t obey(char order, const Worker& worker) {
  if (order == kCold) return call_cold(worker);
  return order == kUntilFast ? call_until_fast(worker) : call_hot(worker);
}

int work(void* argument) {
  const auto& worker = *static_cast<const Worker*>(argument);
  char order = 0;
  while (read(worker.channel, &order, 1) == 1) {
    const std::uint64_t answer = obey(order, worker);
    if (write(worker.channel, &answer, sizeof(answer)) != sizeof(answer)) break;
  }
  _exit(0);  // all of the child
}

// Runs in the child. The calls are made by threads other than its first, since a broken pid filter lets only the first
// one's in.
[[noreturn]] void run_child(std::span<Worker> workers, char* stacks) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  constexpr int kThread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
  for (auto& worker : workers) {
    stacks += kStackBytes;
    if (clone(work, stacks, kThread, &worker) < 0) _exit(1);
  }
  for (;;) pause();
}

class Child {
 public:
  explicit Child(std::uint32_t threads) : channels_(threads) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
      }
    }
    if (memory_ != MAP_FAILED) munmap(memory_, memory_bytes());
  }

  Status start(Function function) {
    memory_ = mmap(nullptr, memory_bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory_ == MAP_FAILED) return system_error("mmap");
    auto* stacks = static_cast<char*>(memory_);
    const char* swept = stacks + kStackBytes * channels_.size();
    std::memset(stacks + kStackBytes * channels_.size(), 1, kSweptBytes);  // or all of it is one page of zeros
    std::vector<UniqueFd> child_ends;
    std::vector<Worker> workers;
    for (auto& channel : channels_) {
      int ends[2];
      if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return system_error("socketpair");
      channel.reset(ends[0]);
      child_ends.emplace_back(ends[1]);
      workers.push_back({ends[1], function, swept});
    }
    pid_ = fork();
    if (pid_ < 0) return system_error("fork");
    if (pid_ == 0) {
      for (auto& channel : channels_) ::close(channel.get());  // or the workers would never see them closed
      run_child(workers, stacks);
    }
    return success();
  }

  // An order to each of the first `threads` threads at the same time: the mean of what they answer.
  [[nodiscard]] std::optional<std::uint64_t> batch(char order, std::uint32_t threads) {
    for (std::uint32_t i = 0; i < threads; ++i) {
      if (!order_to(i, order)) return std::nullopt;
    }
    std::uint64_t sum = 0;
    for (std::uint32_t i = 0; i < threads; ++i) {
      const auto spent = answer_of(i);
      if (!spent) return std::nullopt;
      sum += *spent;
    }
    return sum / threads;
  }
  bool order_to(std::uint32_t thread, char order) {
    return send(channels_[thread].get(), &order, 1, MSG_NOSIGNAL) == 1;
  }
  bool order_to(std::uint32_t thread, char order, std::uint64_t argument) {
    return order_to(thread, order) &&
           send(channels_[thread].get(), &argument, sizeof(argument), MSG_NOSIGNAL) == sizeof(argument);
  }
  [[nodiscard]] std::optional<std::uint64_t> answer_of(std::uint32_t thread) {
    std::uint64_t answer = 0;
    if (recv(channels_[thread].get(), &answer, sizeof(answer), MSG_WAITALL) != sizeof(answer)) return std::nullopt;
    return answer;
  }
  [[nodiscard]] std::optional<std::uint64_t> median(std::uint32_t threads) {
    std::array<std::uint64_t, kBatches> times{};
    for (auto& time : times) {
      const auto spent = batch(kHot, threads);
      if (!spent) return std::nullopt;
      time = *spent;
    }
    std::ranges::sort(times);
    return times[kBatches / 2];
  }
  [[nodiscard]] std::optional<std::uint64_t> cold() { return batch(kCold, 1); }
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  [[nodiscard]] std::size_t memory_bytes() const { return kStackBytes * channels_.size() + kSweptBytes; }
  static Error system_error(const char* what) {
    return failure(fmt::format("calibrating the cost of a probe: {}: {}", what, std::strerror(errno)));
  }
  pid_t pid_ = -1;
  std::vector<UniqueFd> channels_;  // one a thread
  void* memory_ = MAP_FAILED;       // a stack for each thread, then what is swept
};

std::uint64_t less(std::uint64_t a, std::uint64_t b) { return a > b ? a - b : 0; }

// Takes the site out while a thread calls it, calls of at most `fast_ns` being without a trap; false: the child ended.
bool measure_detach(Child& child, Attachment& attachment, std::uint64_t fast_ns, TrapCost& cost) {
  if (!child.order_to(0, kUntilFast, fast_ns)) return false;
  std::this_thread::sleep_for(std::chrono::microseconds(500));  // it has begun
  const std::uint64_t begin = clock_ns();
  attachment.detach();
  cost.detach_took_ns = clock_ns() - begin;
  const auto last = child.answer_of(0);
  if (last) cost.detach_ns = less(*last, begin);
  return last.has_value();
}

}  // namespace

double TrapCost::at(double cpus_used) const {
  if (cpus <= 1 || contended_ns <= alone_ns) return static_cast<double>(alone_ns);
  const double crowd = std::clamp((cpus_used - 1) / (cpus - 1.0), 0.0, 1.0);
  return static_cast<double>(alone_ns) + crowd * static_cast<double>(contended_ns - alone_ns);
}

Result<TrapCost> calibrate_trap(const KernelSide& kernel, SiteKind kind) {
  const auto place = place_of(kind);
  const auto offset = offset_in_own_executable(place.site);
  if (!offset) return failure("calibrating the cost of a probe: our own executable was not found");
  TrapCost cost;
  cost.cpus = std::clamp(std::thread::hardware_concurrency(), 1U, kMostThreads);
  Child child(cost.cpus);
  if (auto started = child.start(place.function); !started) return started.error();
  const auto plain = child.median(1);
  const auto plain_cold = child.cold();
  const auto before = kernel.counters(GOTRACE_CALIBRATE);
  if (!plain || !plain_cold || !before) return failure("calibrating the cost of a probe: the child ended");
  const std::array offsets{*offset};
  const std::uint64_t attach_begin = clock_ns();
  auto attached =
      attach_program(kernel.kind(), kernel.program_fd(GOTRACE_CALIBRATE), {"/proc/self/exe", offsets, child.pid()});
  if (!attached) return attached.error();
  cost.attach_took_ns = clock_ns() - attach_begin;
  const auto alone = child.median(1);
  const auto after = kernel.counters(GOTRACE_CALIBRATE);
  const auto together = child.median(cost.cpus);
  const auto cold = child.cold();
  if (!alone || !after || !together || !cold) return failure("calibrating the cost of a probe: the child ended");
  if (after->traps - before->traps != kCalls * kBatches) {
    return failure(fmt::format("{} of {} hits of a thread arrived: this kernel loses hits",
                               after->traps - before->traps, kCalls * kBatches));
  }
  if (!measure_detach(child, *attached, (*alone + *plain) / 2 / kCalls, cost))
    return failure("calibrating the cost of a probe: the child ended");
  cost.alone_ns = std::max(less(*cold, *plain_cold), less(*alone, *plain) / kCalls);
  cost.contended_ns = cost.alone_ns + less(*together, *alone) / kCalls;
  return cost;
}

}  // namespace gotrace::probe
