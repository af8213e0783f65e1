// Whether a capture is exact: precopy PID. Captures a Go program that is being written to, and compares each page of
// the capture with the program's memory.
//
// So that nothing changes in between, the program is sent SIGSTOP while the capture holds it: it finds that before its
// first instruction after it was let go (kernel/signal.c, get_signal).
//
// Prints one line: MARK exact PAGES DIFFERING COPIED-BEFORE COPIED-STOPPED CHECKED PAUSE-NS FORESEEN-NS
#include <fmt/format.h>
#include <signal.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

#include "goruntime/program.h"
#include "process/memory.h"
#include "process/proc_text.h"
#include "process/target.h"
#include "proof/capture.h"

using namespace gotrace;

namespace {

constexpr std::size_t kPage = 4096;

bool held_by_a_tracer(pid_t pid) {
  const auto stat = process::parse_stat(process::read_proc_text(fmt::format("/proc/{}/stat", pid)).value_or(""));
  return stat && stat->state == 't';
}

// Stops what a capture has stopped, for good.
class Stopper {
 public:
  explicit Stopper(pid_t pid) : thread_([this, pid] { watch(pid); }) {}
  ~Stopper() { join(); }
  Stopper(const Stopper&) = delete;
  Stopper& operator=(const Stopper&) = delete;
  // Whether it was sent in time: it was held before and after.
  bool join() {
    done_ = true;
    if (thread_.joinable()) thread_.join();
    return in_time_;
  }

 private:
  void watch(pid_t pid) {
    while (!done_) {
      if (!held_by_a_tracer(pid)) continue;
      ::kill(pid, SIGSTOP);
      in_time_ = held_by_a_tracer(pid);
      return;
    }
  }
  std::atomic<bool> done_ = false;
  std::atomic<bool> in_time_ = false;
  std::thread thread_;
};

struct Compared {
  std::uint64_t pages = 0;
  std::uint64_t differing = 0;
};

// All that proofs are made from: of the ranges that were added some belong to mappings that are gone.
Compared compare(const proof::Captured& captured, pid_t pid) {
  process::LiveMemory live(pid);
  Compared compared;
  std::vector<std::byte> there(kPage);
  for (const process::MemoryRange& range : captured.snapshot->ranges()) {
    for (process::Address at = range.begin; at < range.end; at += kPage) {
      const auto copy = captured.snapshot->bytes(at, kPage);
      if (!live.read(at, there)) continue;  // behind the end of a file
      ++compared.pages;
      if (copy && std::memcmp(copy->data(), there.data(), kPage) == 0) continue;
      if (compared.differing++ < 5) fmt::print("MARK differs {:#x}\n", at);
    }
  }
  return compared;
}

// False: it was stopped too late; nothing was compared.
bool look(const process::Target& target, const goruntime::Program& program, int& code) {
  constexpr std::uint64_t kLongEnough = 60'000'000'000;
  Stopper stopper(target.pid());
  const auto captured = proof::capture(program, {.max_pause_ns = kLongEnough, .threads = 2, .folder = {}});
  const bool in_time = stopper.join();
  if (!captured) {
    fmt::print("MARK exact failed: {}\n", captured.error().text);
    code = 1;
  } else if (in_time) {
    const auto compared = compare(*captured, target.pid());
    fmt::print("MARK exact {} {} {} {} {} {} {}\n", compared.pages, compared.differing, captured->copied_before_bytes,
               captured->copied_bytes, captured->checked_bytes, captured->pause_ns, captured->prediction.pause_ns);
    code = compared.differing == 0 ? 0 : 1;
  }
  ::kill(target.pid(), SIGCONT);
  return !captured || in_time;
}

}  // namespace

int main(int argc, char** argv) {
  const auto target = process::Target::open(argc == 2 ? std::atoi(argv[1]) : 0);
  if (!target) return fmt::print("MARK exact failed: {}\n", target.error().text), 2;
  const auto program = goruntime::Program::open(*target);
  if (!program) return fmt::print("MARK exact failed: {}\n", program.error().text), 2;
  int code = 1;
  for (int attempt = 0; attempt < 5; ++attempt)
    if (look(*target, **program, code)) return code;
  fmt::print("MARK exact failed: never stopped in time\n");
  return 2;
}
