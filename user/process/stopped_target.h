// StoppedTarget: all threads of the target held by ptrace, for as long as this object lives. Nothing of the target is
// written. When this process dies, however it does, the kernel lets the threads run on (PTRACE_SEIZE; never SIGSTOP,
// which would outlive us).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "process/memory.h"
#include "process/target.h"

namespace gotrace::process {

struct StoppedThread {
  pid_t tid = 0;
  Address program_counter = 0;
  Address stack_pointer = 0;
  Address thread_pointer = 0;  // the base of its thread-local storage
  bool in_system_call = false;
  std::vector<std::uint64_t> registers;  // the general ones
  std::vector<std::uint64_t> extended;   // all others, as XSAVE lays them out: the vector registers
};

class StoppedTarget {
 public:
  // Asks all threads to stop and waits until they have, those that were started meanwhile included. Errors: somebody
  // else traces it; not permitted; a thread did not stop before `deadline_ns` (CLOCK_MONOTONIC), in which case all go
  // on. ptrace belongs to a thread: this object must stay on the thread that made it.
  [[nodiscard]] static Result<StoppedTarget> stop(const Target& target, std::uint64_t deadline_ns);

  StoppedTarget(StoppedTarget&& other) noexcept;
  StoppedTarget& operator=(StoppedTarget&&) = delete;
  StoppedTarget(const StoppedTarget&) = delete;
  StoppedTarget& operator=(const StoppedTarget&) = delete;
  ~StoppedTarget() { resume(); }

  // Lets all threads go on. Signals that came meanwhile are delivered.
  void resume();

  [[nodiscard]] std::span<const StoppedThread> threads() const { return states_; }
  [[nodiscard]] std::uint64_t begun_ns() const { return begun_ns_; }  // when the first thread was asked to stop

 private:
  struct Held {
    pid_t tid = 0;
    bool stopped = false;
    bool ended = false;
    int signal = 0;  // to be delivered when it goes on
  };
  StoppedTarget() = default;
  [[nodiscard]] Status seize_new_threads(const Target& target, bool& any);
  [[nodiscard]] Status wait_for_all(const Target& target, std::uint64_t deadline_ns);
  static void collect(Held& thread, int status);
  [[nodiscard]] Status read_registers(const Target& target);

  std::vector<Held> held_;
  std::vector<StoppedThread> states_;
  std::uint64_t begun_ns_ = 0;
};

}  // namespace gotrace::process
