// Where the structures lie that a proof is made of: every g, the sudogs by which goroutines wait, and their channels.
#pragma once

#include <vector>

#include "goruntime/program.h"
#include "process/snapshot.h"

namespace gotrace::proof {

// By rising address, the pages that they touch. Of a program that runs: what changes meanwhile may be missing.
[[nodiscard]] std::vector<process::MemoryRange> find_wait_structures(const goruntime::Program& program);

}  // namespace gotrace::proof
