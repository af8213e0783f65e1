// Why goroutines may still be woken, in words.
#pragma once

#include "goruntime/symbolizer.h"
#include "proof/prover.h"

namespace gotrace::proof {

// `program` sees the snapshot: types are read from it.
[[nodiscard]] ReachedGoroutines describe(const goruntime::Program& program, goruntime::Symbolizer& symbolizer,
                                         const ReachedGroup& group);

}  // namespace gotrace::proof
