// What a proof leaves unproved, as reports show it.
#pragma once

#include <vector>

#include "detect/analysis.h"
#include "detect/goroutines.h"

namespace gotrace::detect {

[[nodiscard]] std::vector<ReachedGoroutineGroup> reached_groups(const model::Model& model,
                                                                const GoroutineJudgement& judged);

}  // namespace gotrace::detect
