// Why goroutines may still be woken, in words.
#pragma once

#include "proof/prover.h"
#include "proof/way_words.h"

namespace gotrace::proof {

[[nodiscard]] ReachedGoroutines describe(WayWords& words, const ReachedGroup& group);

}  // namespace gotrace::proof
