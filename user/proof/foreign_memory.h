// What a Go program can write to and is not the Go heap's: package variables, what the runtime keeps of the heap, C's
// memory.
#pragma once

#include <vector>

#include "base/result.h"
#include "goruntime/program.h"
#include "process/snapshot.h"

namespace gotrace::proof {

struct Foreign {
  std::vector<process::MemoryRange> ranges;    // whole mappings, split at the borders of arenas
  std::vector<process::MemoryRange> of_files;  // of these, and of the heap's: a file's, or shared
  bool complete = true;                        // false: some of it is too large to look at
};

[[nodiscard]] Result<Foreign> find_foreign(const goruntime::Program& program);

// Of it what holds more than zeros. Of a file's pages those that nobody has written to are not in the page map as
// present, and are no zeros: all count.
[[nodiscard]] Result<std::vector<process::MemoryRange>> present_in(const goruntime::Program& program,
                                                                   const Foreign& foreign);

}  // namespace gotrace::proof
