// A way to an object.
#pragma once

#include <cstdint>
#include <vector>

#include "proof/marker.h"

namespace gotrace::proof {

struct Step {  // an object
  Address address = 0;
  std::uint64_t size = 0;
  Address type = 0;  // its own or that of its elements; 0: not known
};
struct Way {
  Origin origin;
  std::vector<Step> steps;  // from the object to the origin
};

// One of the shortest ways to `object`, which is reached. Of a longer one than `most` objects the origin is not known.
[[nodiscard]] Way way_to(const HeapGraph& graph, const Marker& marker, ObjectRef object, std::size_t most = 1U << 10);

}  // namespace gotrace::proof
