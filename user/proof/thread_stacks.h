// ThreadStacks: which parts of which stacks the threads of a stopped program have in use.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "proof/capture.h"
#include "proof/goroutines.h"
#include "proof/thread_machine.h"

namespace gotrace::proof {

class ThreadStacks {
 public:
  // Both must outlive it.
  ThreadStacks(const Captured& captured, const Goroutines& goroutines) : captured_(captured), goroutines_(goroutines) {}

  // Returns why nothing can be concluded: its stack is nowhere. Empty: done.
  [[nodiscard]] std::string add(const process::StoppedThread& thread);

  // Of stacks that are no goroutine's: those of the scheduler and of signal handlers, one of each a thread.
  [[nodiscard]] std::vector<process::MemoryRange> ranges() const { return process::merged(ranges_); }
  // Goroutines on whose stack a thread stands, and from where on that is in use.
  [[nodiscard]] const std::map<std::uint32_t, Address>& running() const { return running_; }

 private:
  [[nodiscard]] std::optional<ThreadMachine> machine_of(const process::StoppedThread& thread) const;
  [[nodiscard]] std::optional<Address> word(Address address) const;
  [[nodiscard]] std::optional<process::MemoryRange> region_of(Address address) const;

  const Captured& captured_;
  const Goroutines& goroutines_;
  std::vector<process::MemoryRange> ranges_;
  std::map<std::uint32_t, Address> running_;
};

}  // namespace gotrace::proof
