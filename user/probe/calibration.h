// Calibration: what one hit costs on this machine, measured on a child process of our own that calls a small function
// with and without a probe. Figures differ ten-fold between machines, so they are never assumed.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "probe/kernel_side.h"
#include "probe/sites.h"

namespace gotrace::probe {

struct TrapCost {  // of one hit, trap and an all but empty program included, ns
  // With caches that hold other things, as between two hits of a server: some times what a tight loop shows.
  std::uint64_t alone_ns = 0;
  std::uint64_t contended_ns = 0;  // when as many CPUs as `cpus` hit at the same time
  std::uint32_t cpus = 1;
  std::uint64_t detach_ns = 0;       // from the moment that the one site was told to be taken out until hits stopped
  std::uint64_t attach_took_ns = 0;  // the kernel's time to put that one site in
  std::uint64_t detach_took_ns = 0;  // and to take it out again, waiting for grace periods when hits have stopped
  // What a hit costs while this many CPUs run the target.
  [[nodiscard]] double at(double cpus_used) const;
};

// Of a site of this kind. Takes some 100 ms, most of it waiting. Fails when probes of the kind that `kernel` was loaded
// for do not work here: not supported, or hits of a thread other than the first do not arrive (the pid filter of
// uprobe_multi in Linux 6.6..6.9, fixed by kernel commit 46ba0e49b642).
[[nodiscard]] Result<TrapCost> calibrate_trap(const KernelSide& kernel, SiteKind kind);

}  // namespace gotrace::probe
