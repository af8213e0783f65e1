// Stacks of the runtime's heap profile hold one return address for each logical frame: inlined calls have their own.
#include "goruntime/symbolizer.h"

namespace gotrace::goruntime {

StackId Symbolizer::logical_stack(std::span<const process::Address> return_addresses) {
  // Beside the plain locations of the same program counters, which stand for all frames that are inlined there.
  constexpr std::uint64_t kLogical = 1ULL << 63;
  std::vector<LocationId> locations;
  locations.reserve(return_addresses.size());
  for (const process::Address address : return_addresses) {
    if (address == 0) continue;
    const std::uint64_t pc = address - program_.load_bias() - 1;
    const auto known = locations_.find(pc | kLogical);
    if (known != locations_.end()) {
      locations.push_back(known->second);
      continue;
    }
    auto frames = program_.functions().frames(pc);
    if (frames.size() > 1) frames.resize(1);
    for (Frame& frame : frames) frame.inlined = false;
    locations.push_back(define(pc | kLogical, pc, std::move(frames)));
  }
  return intern(std::move(locations), false);
}

}  // namespace gotrace::goruntime
