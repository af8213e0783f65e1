// Which addresses belong to Go's heap.
#pragma once

#include "goruntime/program.h"

namespace gotrace::goruntime {

// Whether an arena of the heap was made for this address; false too when that can't be read.
[[nodiscard]] bool in_heap_arena(const Program& program, process::Address address);

}  // namespace gotrace::goruntime
