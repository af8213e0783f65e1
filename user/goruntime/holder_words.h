// A chain of holders, in words.
#pragma once

#include <string>

#include "goruntime/holder_chain.h"
#include "goruntime/symbolizer.h"

namespace gotrace::goruntime {

struct HolderWords {
  std::string words;  // from the root on: "package variable main.cache -> object of 4096 bytes ([]main.entry)"
  LocationId used_at = LocationId::none;  // code that uses the package variable, where it has no name
};

[[nodiscard]] HolderWords describe_holders(const Program& program, Symbolizer& symbolizer, const HolderChain& chain);

}  // namespace gotrace::goruntime
