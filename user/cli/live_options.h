// What live and record share: the session's options from the command line's.
#pragma once

#include "base/result.h"
#include "cli/options.h"
#include "session/session.h"

namespace gotrace::cli {

[[nodiscard]] Result<session::LiveOptions> live_options(const Options& options);

}  // namespace gotrace::cli
