// Soft-dirty bits: the kernel's note of which pages of a process were written to since the notes were cleared. Clearing
// makes all its pages read-only once: the first write to each costs the process a minor fault, and whoever else goes by
// these bits (CRIU) has lost what they said.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "process/target.h"

namespace gotrace::process {

// Whether this kernel keeps them, as tried out on memory of our own; and whether nothing on this machine is known to
// lose them (same-page merging).
[[nodiscard]] bool soft_dirty_works();

[[nodiscard]] bool may_clear_soft_dirty(const Target& target);
// Of the whole process. The nanoseconds that it took: meanwhile its threads may wait, when they touch fresh memory.
[[nodiscard]] Result<std::uint64_t> clear_soft_dirty(const Target& target);

}  // namespace gotrace::process
