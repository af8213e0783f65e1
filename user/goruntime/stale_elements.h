// Pointers in the array of a slice that no slice can reach any more, and what they keep: `q = q[1:]` leaves them before
// it, `s[1:3:3]` around it, `s = s[:n]` behind it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "goruntime/object_windows.h"
#include "goruntime/pointer_maps.h"
#include "goruntime/reference_search.h"

namespace gotrace::goruntime {

struct StaleElements {
  std::uint64_t pointers = 0;            // that are not nil, in the whole array
  std::uint64_t unused = 0;              // of these, outside of all slices
  std::uint64_t beyond_length = 0;       // of these, within the capacity of a slice: it may still overwrite them
  std::uint64_t kept_bytes = 0;          // of the different objects that the unused ones point to
  std::vector<process::Address> sample;  // of these objects, the first ones
};

// Which part of an array the slices use, in bytes from the start of its elements.
struct ArrayParts {
  std::uint64_t element_size = 0;
  std::uint64_t begin = 0;                                                   // of the elements in their object
  std::vector<std::pair<std::uint64_t, std::uint64_t>> lengths, capacities;  // {begin, end}, in the object
};

// nullopt: one of the windows is no slice, or of elements whose size is not clear; then all of it counts as used.
// `type`: of the elements, where known.
[[nodiscard]] std::optional<ArrayParts> array_parts(std::uint64_t object_size, std::span<const Window> windows,
                                                    const std::optional<ElementType>& type);

// Reads the array, which must be in `span`. nullopt: that can't be read, or where its pointers are is not known.
[[nodiscard]] std::optional<StaleElements> read_stale_elements(process::RemoteMemory& memory, PointerMaps& maps,
                                                               const HeapSpans& spans, const SpanView& span,
                                                               process::Address object, const ArrayParts& parts);

}  // namespace gotrace::goruntime
