// --fail-on: the exit code that an analysis deserves.
#pragma once

#include "cli/options.h"
#include "detect/analysis.h"

namespace gotrace::cli {

// 3: a finding of this verdict or worse. 4: none, but a check that could have found one was not made. Else 0.
[[nodiscard]] int judge(const detect::Analysis& analysis, FailOn fail_on);

}  // namespace gotrace::cli
