// Memory as top shows it, what the Go heap explains of it, and when a limit is reached.
#pragma once

#include "detect/analysis.h"
#include "detect/detector.h"

namespace gotrace::detect {

[[nodiscard]] Memory judge_memory(const model::Model& model, const Judgements& judgements);

}  // namespace gotrace::detect
