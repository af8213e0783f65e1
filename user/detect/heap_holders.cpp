#include "detect/heap_holders.h"

namespace gotrace::detect {
namespace {

std::optional<Frame> frame_of(const model::Model& model, LocationId id) {
  const auto& frames = model.symbols().frames(id);
  return frames.empty() ? std::nullopt : std::optional(frames.front());
}

HeapHolder holder_of(const model::Model& model, const HeapRetainer& from) {
  return {.kind = from.kind,
          .name = from.name,
          .used_at = frame_of(model, from.used_at),
          .created_by = frame_of(model, from.created_at),
          .held_at = frame_of(model, from.held_at),
          .proved = from.proved,
          .goroutines = from.goroutines,
          .goid = from.goid,
          .instances = from.instances,
          .bytes = from.bytes,
          .objects = from.objects,
          .path = from.path};
}

}  // namespace

std::optional<HeapHolders> heap_holders(const model::Model& model) {
  if (!model.heap_retention()) return std::nullopt;
  const HeapRetention& from = *model.heap_retention();
  HeapHolders result;
  result.off = from.off;
  result.took_ns = from.took_ns;
  result.bytes = from.bytes;
  result.objects = from.objects;
  result.references = from.references;
  for (const HeapRetainer& one : from.retainers) result.holders.push_back(holder_of(model, one));
  for (const HeapType& one : from.types)
    result.types.push_back(
        {one.name, one.object_bytes, one.instances, one.bytes, one.objects, one.path, frame_of(model, one.used_at)});
  result.asked = from.asked;
  result.why_not = from.why_not;
  for (const HeapPath& one : from.ways)
    result.ways.push_back(
        {one.name, one.object_bytes, 1, one.bytes, one.objects, one.path, frame_of(model, one.used_at)});
  return result;
}

}  // namespace gotrace::detect
