// Conservative search of a process's memory for words that point into given objects.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "goruntime/object_lookup.h"
#include "process/memory.h"

namespace gotrace::goruntime {

struct MemoryRegion {
  enum class Kind : std::uint8_t { data, stack, heap } kind = Kind::data;
  process::Address begin = 0;
  std::uint64_t size = 0;   // bytes
  std::uint32_t owner = 0;  // of a stack: which; of heap: index of its span
};

struct SearchedObject {
  process::Address begin = 0;
  std::uint64_t size = 0;
};

// `object`: index of the one that the word at `place` of `region` points into.
using VisitReference = std::function<void(const MemoryRegion& region, std::uint32_t object, process::Address place)>;

// False when a part of a region could not be read. Objects may overlap: each that a word points into is visited.
[[nodiscard]] bool search_references(process::RemoteMemory& memory, std::span<const MemoryRegion> regions,
                                     std::span<const SearchedObject> objects, const VisitReference& visit);

// The spans of the heap that hold pointers; nullopt when mheap_.allspans can't be read.
[[nodiscard]] std::optional<std::vector<SpanView>> scannable_spans(const Program& program);

}  // namespace gotrace::goruntime
