// What a proof takes of our own memory, foreseen before the target is stopped: on a machine that has little left a copy
// of a large heap could make the kernel kill somebody.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/result.h"
#include "goruntime/object_lookup.h"
#include "goruntime/program.h"

namespace gotrace::proof {

struct MemoryNeed {  // bytes, at most
  std::uint64_t copy = 0;
  std::uint64_t marking = 0;
};

// `foreign`: bytes to copy that are not the Go heap's.
[[nodiscard]] MemoryNeed memory_need(std::span<const goruntime::SpanView> spans, std::uint64_t foreign);

// Error: it needs more than is free, with a reserve for the others. `folder`: where the copy goes to disk; empty: it
// stays in memory.
[[nodiscard]] Status check_memory(const goruntime::Program& program, const MemoryNeed& need, const std::string& folder);

// Why `bytes` more can't be taken now, to go on after a "that"; empty: they can.
[[nodiscard]] std::string why_no_memory(std::uint64_t bytes);

}  // namespace gotrace::proof
