#include "goruntime/retention_suspects.h"

#include <algorithm>

namespace gotrace::goruntime {
namespace {

// A queue goes on, and more may have become unused; what was must still be.
bool same_elements(const StaleElements& before, const StaleElements& now) {
  std::size_t again = 0;
  for (const process::Address object : before.sample)
    again += static_cast<std::size_t>(std::ranges::count(now.sample, object));
  return again * 4 >= before.sample.size() * 3;
}

// The header itself may have moved, as those in a map or a slice do when that grows.
bool same_part(const HeaderReference& before, const HeaderReference& now) {
  return now.pointer == before.pointer && now.window.length == before.window.length &&
         now.window.capacity == before.window.capacity;
}

}  // namespace

Likeness likeness_of(const PartlyUsed& found) {
  const HeaderReference& first = found.references.front();
  if (found.stale)
    return {RetentionKind::elements, 2 * found.stale->beyond_length > found.stale->unused,
            first.in_data ? first.place : 0, first.container_size, first.container_type};
  const bool slices = std::ranges::any_of(found.references, [](const auto& r) { return r.window.slice; });
  return {slices ? RetentionKind::subslice : RetentionKind::substring, found.used.use == ObjectUse::spare,
          first.in_data ? first.place : 0, first.container_size, first.container_type};
}

bool found_again(const PartlyUsed& before, const PartlyUsed& now) {
  if (before.size != now.size || before.used.use != now.used.use) return false;
  if (before.stale && now.stale && !same_elements(*before.stale, *now.stale)) return false;
  const bool queue = before.stale && now.stale;  // its slice moves on
  return std::ranges::any_of(before.references, [&](const HeaderReference& old) {
    return std::ranges::any_of(now.references, [&](const HeaderReference& one) {
      return (queue && one.place == old.place) || same_part(old, one);
    });
  });
}

}  // namespace gotrace::goruntime
