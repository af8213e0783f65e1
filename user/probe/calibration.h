// Calibration: what one hit costs on this machine, measured on a child process of our own that calls a small function
// with and without a probe. Figures differ ten-fold between machines, so they are never assumed.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "probe/kernel_side.h"
#include "probe/sites.h"

namespace gotrace::probe {

// Nanoseconds of one hit at a site of this kind, trap and an all but empty program included. Takes some 10 ms. Fails
// when probes of the kind that `kernel` was loaded for do not work here: not supported, or hits of a thread other than
// the first do not arrive (the pid filter of uprobe_multi in Linux 6.6..6.9, fixed by kernel commit 46ba0e49b642).
[[nodiscard]] Result<std::uint64_t> calibrate_trap(const KernelSide& kernel, SiteKind kind);

}  // namespace gotrace::probe
