// What a thread of a Go program is to the runtime: a runtime.m, with a stack for the scheduler and one for signal
// handlers.
#pragma once

#include <functional>
#include <optional>

#include "goruntime/layouts.h"
#include "process/memory.h"

namespace gotrace::proof {

using process::Address;

struct ThreadStack {
  Address lo = 0;
  Address hi = 0;
  [[nodiscard]] bool contains(Address address) const { return address >= lo && address < hi; }
  [[nodiscard]] bool known() const { return lo < hi; }
};

struct ThreadMachine {
  ThreadStack scheduler;
  ThreadStack signal;
};

// By way of the g in its thread-local storage: its m, and that one's own two stacks. nullopt: there is none, as in a
// thread of C, or in one that was cloned just now. `word` reads one of the program's.
[[nodiscard]] std::optional<ThreadMachine> machine_of(const goruntime::Layout& layout, Address thread_pointer,
                                                      const std::function<std::optional<Address>(Address)>& word);

}  // namespace gotrace::proof
