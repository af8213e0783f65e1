#include "proof/way.h"

namespace gotrace::proof {

Way way_to(const HeapGraph& graph, const Marker& marker, ObjectRef object, std::size_t most) {
  const auto path = marker.path_to(object, most);
  Way way{path.origin, {}};
  for (const ObjectRef step : path.objects)
    way.steps.push_back({graph.address(step), graph.size(step), graph.type(step)});
  return way;
}

}  // namespace gotrace::proof
