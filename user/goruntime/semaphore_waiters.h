// Who waits on which semaphore: the runtime's table of semaphores (runtime/sema.go, semtable), which mutexes, wait
// groups and read-write mutexes wait in.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "goruntime/program.h"

namespace gotrace::goruntime {

struct SemaphoreWaiter {
  process::Address g = 0;
  process::Address sudog = 0;
  process::Address semaphore = 0;  // the word that it waits on
};

// nullopt: the table was not found, can't be read, or is none. Only a program that stands still has one that is whole.
[[nodiscard]] std::optional<std::vector<SemaphoreWaiter>> read_semaphore_waiters(const Program& program);

// Where the table is; nullopt when it was not found.
struct SemaphoreTable {
  process::Address begin = 0;
  std::uint64_t size = 0;
};
[[nodiscard]] std::optional<SemaphoreTable> semaphore_table(const Program& program);

}  // namespace gotrace::goruntime
