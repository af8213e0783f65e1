// analyze(): the one way from a model to what a report prints; live and replay both call it.
#pragma once

#include "detect/analysis.h"
#include "model/model.h"

namespace gotrace::detect {

[[nodiscard]] Analysis analyze(const model::Model& model);

}  // namespace gotrace::detect
