// SpanLook: what the allocator's spans say about the objects that samples stand for. Reads of a running process: every
// answer is checked against what must not have changed meanwhile, or is none.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "goruntime/layouts.h"
#include "gotrace/probe_events.h"
#include "process/memory.h"

namespace gotrace::probe {

// The first object that was taken out of a span after a refill put it into a mcache: slots with a 0 bit in allocBits
// are handed out in order, the first of them to whoever asked for the refill (runtime/mcache.go refill, malloc.go
// nextFree).
struct FirstObject {
  process::Address span = 0;
  process::Address base = 0;
  std::uint64_t size = 0;        // of each object
  std::uint64_t free_slots = 0;  // objects that the span had to give
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;  // the heap's sweepgen when the object was last known to live
  std::uint8_t span_class = 0;
  friend bool operator==(const FirstObject&, const FirstObject&) = default;
};

struct CacheSlot {  // mcache.alloc[span_class]
  process::Address mcache = 0;
  std::uint8_t span_class = 0;
};

enum class Survival : std::uint8_t {
  unchanged,  // no GC since, or its span is not swept yet
  survived,
  dead,
  unknown,  // swept more than once since, or unreadable
};

class SpanLook {
 public:
  // `memory` and `layout` must outlive it.
  SpanLook(process::RemoteMemory& memory, const goruntime::Layout& layout) : memory_(memory), layout_(layout) {}

  // The layout has the fields that are needed.
  [[nodiscard]] bool usable() const;

  // Of the span that a refill replaced, copied by the probe; nothing when a GC had flushed it before, or its first free
  // slot lies beyond the bits that were copied.
  [[nodiscard]] std::optional<FirstObject> replaced(const gotrace_refill& refill) const;
  // The object of a span that allocLarge has just returned, copied by the probe.
  [[nodiscard]] std::optional<FirstObject> large(const gotrace_large& large) const;
  // Of what lies in each slot now; nothing for an empty slot, or when a GC has come by.
  [[nodiscard]] std::vector<std::optional<FirstObject>> cached(std::span<const CacheSlot> slots,
                                                               std::uint32_t heap_generation);
  // Whether each object lived through the GC that made the heap's sweepgen what it is, given all was swept since.
  [[nodiscard]] std::vector<Survival> survivals(std::span<const FirstObject> objects, std::uint32_t heap_generation);

 private:
  struct SpanFields {
    process::Address start = 0, alloc_bits = 0;
    std::uint64_t slots = 0, size = 0;
    std::optional<std::uint64_t> used;  // slots that were taken when it was put into the mcache (Go >= 1.19)
    std::uint32_t generation = 0;
    std::uint8_t span_class = 0, state = 0;
  };
  [[nodiscard]] std::optional<SpanFields> parse(Bytes bytes) const;
  [[nodiscard]] static std::optional<FirstObject> first_object(process::Address span, const SpanFields& fields,
                                                               std::uint8_t span_class, Bytes bits);
  [[nodiscard]] std::vector<std::optional<SpanFields>> read_spans(std::span<const process::Address> spans);
  [[nodiscard]] static Survival judge(const FirstObject& object, const SpanFields& span, std::uint32_t generation,
                                      std::optional<bool> marked);

  process::RemoteMemory& memory_;
  const goruntime::Layout& layout_;
};

}  // namespace gotrace::probe
