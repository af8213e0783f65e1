// Who holds the heap, as `prove` found it, with the places in code that its ids stand for.
#pragma once

#include <optional>

#include "detect/analysis.h"
#include "model/model.h"

namespace gotrace::detect {

// nullopt: it was not looked for.
[[nodiscard]] std::optional<HeapHolders> heap_holders(const model::Model& model);

}  // namespace gotrace::detect
