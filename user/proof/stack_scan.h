// StackScan: what the stacks of parked goroutines lead to, in a snapshot.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "goruntime/program.h"
#include "goruntime/stack_pointers.h"
#include "proof/goroutines.h"

namespace gotrace::proof {

class StackScan {
 public:
  // Both must outlive it.
  StackScan(const goruntime::Program& program, const process::Snapshot& snapshot)
      : program_(program), snapshot_(snapshot), pointers_(program) {}

  // Words of its stack that are pointers in use. nullopt: not known for all of its frames, so that each word may be.
  [[nodiscard]] std::optional<std::vector<std::uint64_t>> pointers(const Goroutine& goroutine);
  // The frame, told by a return address of its function, that the last pointers() found a pointer of this index in.
  [[nodiscard]] Address frame_of(std::size_t pointer) const { return found_in_[pointer]; }

 private:
  const goruntime::Program& program_;
  const process::Snapshot& snapshot_;
  goruntime::StackPointers pointers_;
  std::vector<Address> found_in_;  // by pointer
};

}  // namespace gotrace::proof
