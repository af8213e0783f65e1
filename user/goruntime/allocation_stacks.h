// Where a heap object was allocated, when the runtime's own profile sampled it.
#pragma once

#include <cstdint>
#include <vector>

#include "goruntime/object_lookup.h"
#include "goruntime/symbolizer.h"

namespace gotrace::goruntime {

enum class SpecialUse : std::uint8_t {
  none,     // nothing special
  sampled,  // only the heap profile's sample
  other,    // a finalizer, a cleanup, a weak pointer or the like refers to it
};
struct ObjectSpecials {
  SpecialUse use = SpecialUse::none;
  StackId allocated_at = StackId::none;
};

// By the list of specials of the object's span (runtime/mheap.go). `base`: the start of one of its objects.
[[nodiscard]] ObjectSpecials read_specials(const Program& program, Symbolizer& symbolizer, const SpanView& span,
                                           process::Address base);

}  // namespace gotrace::goruntime
