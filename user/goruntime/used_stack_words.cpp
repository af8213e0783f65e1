#include "goruntime/used_stack_words.h"

#include <algorithm>

#include "goruntime/goroutine_reader_list.h"

namespace gotrace::goruntime {
namespace {

constexpr std::size_t kMostLooks = 1000;           // each takes some 7 us; the stacks of very many goroutines are alike
constexpr std::uint64_t kLargestStack = 1U << 20;  // bytes in use that are looked at

// It has not run in between. g.trackingSeq counts how often it was made to run (runtime/proc.go, casgstatus).
bool stood_still(const GView& before, const GView& after) {
  return after.status == GoStatus::waiting && before.goid == after.goid && before.pc == after.pc &&
         before.sp == after.sp && before.stack_hi == after.stack_hi && before.tracking == after.tracking;
}

}  // namespace

void UsedStackWords::look_at(process::Address g, process::Address begin) {
  g_ = g;
  ++looks_;
  known_ = false;
  in_use_.clear();
  const GLayout layout(program_.layout());
  auto& memory = program_.target().memory();
  const auto before = memory.block(g, layout.size());
  if (!before) return;
  const GView view = layout.decode(*before);
  // It stands where it stood when its stack was read.
  if (view.status != GoStatus::waiting || !view.has_still_stack() || (view.sp & ~7ULL) != begin) return;
  if (view.depth() > kLargestStack) return;
  const auto stack = memory.block(view.sp, view.depth());
  const auto after = stack ? memory.block(g, layout.size()) : std::nullopt;
  if (!after || !stood_still(view, layout.decode(*after))) return;
  const auto pointers = pointers_.find(*before, view.sp, *stack);
  if (!pointers) return;
  known_ = true;
  for (const StackPointer& pointer : *pointers) in_use_.push_back(pointer.place);
  std::ranges::sort(in_use_);
}

bool UsedStackWords::may_be_used(process::Address g, process::Address begin, process::Address place) {
  if (g != g_ && looks_ >= kMostLooks) return true;
  if (g != g_) look_at(g, begin);
  return !known_ || std::ranges::binary_search(in_use_, place);
}

}  // namespace gotrace::goruntime
