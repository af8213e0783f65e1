// The heap's spans as a capture has them, and which of them marking needs.
#pragma once

#include <vector>

#include "base/result.h"
#include "proof/capture.h"

namespace gotrace::proof {

// Fills in the spans and the heap's sweep generation, from what is not the heap's. REQUIRES program and snapshot.
[[nodiscard]] Status find_spans(Captured& into);

// A span whose objects may hold pointers, or stacks: marking needs what it holds.
[[nodiscard]] bool is_copied(const goruntime::SpanView& span);

// Of spans whose objects may hold pointers, and of stacks; by rising address.
[[nodiscard]] std::vector<process::MemoryRange> ranges_of(const std::vector<goruntime::SpanView>& spans);

}  // namespace gotrace::proof
