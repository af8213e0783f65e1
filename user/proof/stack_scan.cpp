#include "proof/stack_scan.h"

namespace gotrace::proof {

std::optional<std::vector<std::uint64_t>> StackScan::pointers(const Goroutine& goroutine) {
  const auto g = snapshot_.bytes(goroutine.g, program_.layout().g.size);
  const auto stack = snapshot_.bytes(goroutine.scan_from, goroutine.stack_hi - goroutine.scan_from);
  if (goroutine.status != GoStatus::waiting || !g || !stack) return std::nullopt;
  const auto found = pointers_.find(*g, goroutine.scan_from, *stack);
  if (!found) return std::nullopt;
  std::vector<std::uint64_t> values;
  found_in_.clear();
  for (const goruntime::StackPointer& pointer : *found) {
    values.push_back(pointer.value);
    found_in_.push_back(pointer.pc);
  }
  return values;
}

}  // namespace gotrace::proof
