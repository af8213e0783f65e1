#include "proof/reached_objects.h"

namespace gotrace::proof {

std::optional<goruntime::ObjectLookup::Object> ReachedObjects::find(Address address) {
  constexpr std::uint32_t kOneGc = 2;  // runtime/mgcsweep.go: what a GC adds to sweepgen
  const auto object = graph_.find(address);
  if (!object) return std::nullopt;
  const bool reached = marker_.marked(*object);
  return Object{.base = graph_.address(*object),
                .size = graph_.size(*object),
                .span_class = 0,
                .noscan = !graph_.has_pointers(*object),
                .marked = reached,
                .allocated = reached,
                .span_sweepgen = 0,
                .heap_sweepgen = sweepgen_ + kOneGc};
}

}  // namespace gotrace::proof
