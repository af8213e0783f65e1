// The last word on a proof: a proved goroutine must not have run since. One that has would show that the proof is
// wrong.
#pragma once

#include <optional>

#include "proof/prover.h"

namespace gotrace::proof {

// The id of a proved goroutine that is not as it was in the snapshot; nullopt: all are. `program` sees the target as it
// is now. What can't be read any more (the target has ended) is passed over.
[[nodiscard]] std::optional<std::uint64_t> find_contradiction(const goruntime::Program& program,
                                                              const Captured& captured, const Verdicts& verdicts);

}  // namespace gotrace::proof
