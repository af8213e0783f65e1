// Captures that are kept: in a snapshot file, and opened from one.
#pragma once

#include <cstdint>
#include <vector>

#include "base/private_file.h"
#include "goruntime/program.h"
#include "proof/capture.h"
#include "records/record.h"
#include "session/session.h"

namespace gotrace::session {

// Writes what was captured of a program, and what was read beyond that, into `file` and puts that in its place; the
// size. Null: nothing was captured.
[[nodiscard]] Result<std::uint64_t> keep_capture(PendingFile& file, const goruntime::Program& program,
                                                 const proof::Captured* captured,
                                                 const std::vector<process::MemoryRange>& beyond);

// By its first bytes the file tells what it is.
[[nodiscard]] Result<proof::Captured> open_capture(const ProveFileOptions& options);

// What a file can't tell of its process, and of when it is.
[[nodiscard]] SourceState process_was_not_asked(const proof::Captured& captured);

}  // namespace gotrace::session
