// A snapshot file: a capture that can be judged later, and on another machine. docs/snapshot-format.md describes it.
//
// It holds all that was copied, the threads' registers, and the executable but for its debug information: code, tables
// and constants are read in place, and the build that is analysed must be the one that ran. Whoever has the file has
// the memory of the process.
#pragma once

#include <cstdint>
#include <string>

#include "base/private_file.h"
#include "base/result.h"
#include "proof/capture.h"

namespace gotrace::proof {

// `program` is the one that `captured` was taken of, while the process is there: pages of the executable that it has
// made read-only after it had put addresses into them (RELRO) are read from it now. `beyond`: what else was looked at
// for the proof (some of the runtime's objects are among those without pointers); kept as well, by way of
// captured.target.
[[nodiscard]] Status write_snapshot(PendingFile& file, const goruntime::Program& program, const Captured& captured,
                                    const std::vector<process::MemoryRange>& beyond);

// Reads from where `fd` is; `name` is for error texts. Takes the memory that the file's contents need, and none for
// what it merely claims. Errors: no snapshot, another version's, damaged, cut off, not enough memory.
[[nodiscard]] Result<Captured> read_snapshot(int fd, const std::string& name);

}  // namespace gotrace::proof
