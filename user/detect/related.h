// One cause, one finding: what explains another finding takes it in as evidence.
#pragma once

#include <vector>

#include "detect/analysis.h"

namespace gotrace::detect {

void relate_findings(std::vector<Finding>& findings);

}  // namespace gotrace::detect
