// Which process -p or --name means.
#pragma once

#include <sys/types.h>

#include "base/result.h"
#include "cli/options.h"

namespace gotrace::cli {

// Errors: usage when neither is given, both are, or -p NAME is ambiguous (the candidates and their command lines are in
// the text); no_target when there is no such process, or --name is ambiguous.
[[nodiscard]] Result<pid_t> choose_target(const Options& options);

}  // namespace gotrace::cli
