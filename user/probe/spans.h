// SpanLook: what the allocator's spans say about the objects that samples stand for. Reads of a running process: every
// answer is checked against what must not have changed meanwhile, or is none.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "goruntime/layouts.h"
#include "process/memory.h"

namespace gotrace::probe {

// A span as a refill left it in a mcache: its slots with a 0 bit in allocBits are handed out in order, the first of them
// to whoever asked for the refill (runtime/mcache.go refill, malloc.go nextFree).
struct SpanClaim {
  process::Address span = 0;
  process::Address start = 0;
  process::Address alloc_bits = 0;  // replaced by every sweep: as long as it is the same, so is what it says
  std::uint32_t generation = 0;     // heap's sweepgen while the span was cached (its own is 3 more then)
  std::uint8_t span_class = 0;
};

struct FirstObject {
  process::Address span = 0;
  process::Address base = 0;    // of the first object taken out of it
  std::uint64_t size = 0;       // of each object
  std::uint64_t free_slots = 0;  // that it provided
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;
  std::uint8_t span_class = 0;
  friend bool operator==(const FirstObject&, const FirstObject&) = default;
};

struct CacheSlot {  // mcache.alloc[span_class]
  process::Address mcache = 0;
  std::uint8_t span_class = 0;
};

enum class Survival : std::uint8_t {
  unchanged,  // no GC since
  survived,
  dead,
  unknown,   // swept more than once since, unreadable, or not swept yet
};

class SpanLook {
 public:
  // `memory` and `layout` must outlive it.
  SpanLook(process::RemoteMemory& memory, const goruntime::Layout& layout) : memory_(memory), layout_(layout) {}

  // The layout has the fields that are needed.
  [[nodiscard]] bool usable() const;

  // For each claim the first object, or nothing when the span has changed since or is full.
  [[nodiscard]] std::vector<std::optional<FirstObject>> first_objects(std::span<const SpanClaim> claims);
  // What lies in each slot now; nothing for an empty slot, and when the span's sweepgen is not `heap_generation` + 3.
  [[nodiscard]] std::vector<std::optional<SpanClaim>> cached(std::span<const CacheSlot> slots,
                                                             std::uint32_t heap_generation);
  // Whether each object lived through the GC that made the heap's sweepgen what it is, given all was swept since.
  [[nodiscard]] std::vector<Survival> survivals(std::span<const FirstObject> objects, std::uint32_t heap_generation);

 private:
  struct SpanFields {
    process::Address start = 0, alloc_bits = 0;
    std::uint64_t slots = 0, size = 0;
    std::uint32_t generation = 0;
    std::uint8_t span_class = 0, state = 0;
  };
  [[nodiscard]] std::optional<SpanFields> parse(Bytes bytes) const;
  [[nodiscard]] std::vector<std::optional<SpanFields>> read_spans(std::span<const process::Address> spans);
  [[nodiscard]] static Survival judge(const FirstObject& object, const SpanFields& span, std::uint32_t generation,
                                      std::optional<bool> marked);

  process::RemoteMemory& memory_;
  const goruntime::Layout& layout_;
};

}  // namespace gotrace::probe
