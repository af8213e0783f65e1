// A core as a capture: what marking needs of it is copied out of the file, and what the core left out, but the
// executable has and the process can't have changed, is read from that.
#pragma once

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "proof/capture.h"

namespace gotrace::proof {

// `name` of the core is for error texts; `executable`: where it is now; empty: where the core says. Errors: no core of
// a Go program, damaged, the executable is not there or is another one. Where memory is missing in which there may be
// roots, that is no error: Captured::incomplete says so.
[[nodiscard]] Result<Captured> capture_core(UniqueFd core, const std::string& name, const std::string& executable);

}  // namespace gotrace::proof
