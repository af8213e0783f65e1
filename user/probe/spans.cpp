#include "probe/spans.h"

#include <algorithm>

namespace gotrace::probe {
namespace {

using process::Address;
using process::ReadRequest;

// runtime/sizeclasses.go: a span of 8-byte objects has 1024 slots, of which none has more.
constexpr std::uint64_t kMostSlots = 1024;
constexpr std::size_t kBitsBytes = kMostSlots / 8;
constexpr std::uint64_t kMostSmall = 32768;  // runtime/sizeclasses.go, _MaxSmallSize
constexpr std::uint8_t kSpanInUse = 1;       // runtime/mheap.go, mSpanInUse
constexpr std::uint32_t kCached = 3;         // sweepgen of a span in a mcache: the heap's + 3 (runtime/mheap.go)
constexpr std::uint32_t kGenerationsPerCycle = 2;

std::optional<std::uint64_t> number(Bytes bytes, const goruntime::Field& field) {
  if (!field.present()) return std::nullopt;
  switch (field.size) {
    case 1:
      return load<std::uint8_t>(bytes, field.offset);
    case 2:
      return load<std::uint16_t>(bytes, field.offset);
    case 4:
      return load<std::uint32_t>(bytes, field.offset);
    case 8:
      return load<std::uint64_t>(bytes, field.offset);
    default:
      return std::nullopt;
  }
}

std::vector<ReadRequest> requests_for(std::span<std::byte> buffer, std::size_t each) {
  std::vector<ReadRequest> requests(buffer.size() / each);
  for (std::size_t i = 0; i < requests.size(); ++i) requests[i].into = buffer.subspan(i * each, each);
  return requests;
}

struct Slots {
  std::optional<std::uint64_t> first_free;
  std::uint64_t free = 0;
};

// Of as many slots as there are bits for.
Slots count_slots(Bytes bits, std::uint64_t slots) {
  Slots result;
  const std::uint64_t known = std::min<std::uint64_t>(slots, 8 * bits.size());
  for (std::uint64_t i = 0; i < known; ++i) {
    const auto byte = static_cast<std::uint8_t>(bits[i / 8]);
    if ((byte >> (i % 8)) & 1) continue;
    if (result.free++ == 0) result.first_free = i;
  }
  return result;
}

}  // namespace

bool SpanLook::usable() const {
  const auto& span = layout_.mspan;
  return layout_.mcache.alloc.present() && span.size > 0 && span.size <= GOTRACE_SPAN_BYTES &&
         span.startAddr.present() && span.allocBits.present() && span.nelems.present() && span.elemsize.present() &&
         span.sweepgen.present() && span.spanclass.present() && span.state.present();
}

std::optional<SpanLook::SpanFields> SpanLook::parse(Bytes bytes) const {
  const auto& span = layout_.mspan;
  const auto start = number(bytes, span.startAddr);
  const auto bits = number(bytes, span.allocBits);
  const auto slots = number(bytes, span.nelems);
  const auto size = number(bytes, span.elemsize);
  const auto generation = number(bytes, span.sweepgen);
  const auto span_class = number(bytes, span.spanclass);
  const auto state = number(bytes, span.state);
  if (!start || !bits || !slots || !size || !generation || !span_class || !state) return std::nullopt;
  return SpanFields{*start,
                    *bits,
                    *slots,
                    *size,
                    number(bytes, span.allocCountBeforeCache),
                    static_cast<std::uint32_t>(*generation),
                    static_cast<std::uint8_t>(*span_class),
                    static_cast<std::uint8_t>(*state)};
}

std::vector<std::optional<SpanLook::SpanFields>> SpanLook::read_spans(std::span<const Address> spans) {
  std::vector<std::byte> buffer(spans.size() * layout_.mspan.size);
  auto requests = requests_for(buffer, layout_.mspan.size);
  for (std::size_t i = 0; i < spans.size(); ++i) requests[i].address = spans[i];
  memory_.read_many(requests);
  std::vector<std::optional<SpanFields>> result(spans.size());
  for (std::size_t i = 0; i < spans.size(); ++i) {
    if (requests[i].done) result[i] = parse(requests[i].into);
  }
  return result;
}

std::optional<FirstObject> SpanLook::first_object(Address span, const SpanFields& fields, std::uint8_t span_class,
                                                  Bytes bits) {
  const bool sound = fields.state == kSpanInUse && fields.start != 0 && fields.span_class == span_class &&
                     fields.slots > 0 && fields.slots <= kMostSlots && fields.size > 0 && fields.size <= kMostSmall;
  if (!sound) return std::nullopt;
  const auto slots = count_slots(bits, fields.slots);
  if (!slots.first_free) return std::nullopt;
  const bool all_known = fields.slots <= 8 * bits.size();
  if (!all_known && (!fields.used || *fields.used >= fields.slots)) return std::nullopt;
  return FirstObject{span,
                     fields.start + *slots.first_free * fields.size,
                     fields.size,
                     all_known ? slots.free : fields.slots - *fields.used,
                     static_cast<std::uint32_t>(*slots.first_free),
                     fields.generation - kCached,
                     span_class};
}

std::optional<FirstObject> SpanLook::replaced(const gotrace_refill& refill) const {
  if (!usable() || refill.span == 0 || refill.bits_count > GOTRACE_BITS_BYTES) return std::nullopt;
  const auto fields = parse(std::as_bytes(std::span(refill.span_bytes)).first(layout_.mspan.size));
  if (!fields) return std::nullopt;
  return first_object(refill.span, *fields, static_cast<std::uint8_t>(refill.span_class),
                      std::as_bytes(std::span(refill.bits)).first(refill.bits_count));
}

// mheap_.alloc gives it the heap's sweepgen (runtime/mheap.go, initSpan).
std::optional<FirstObject> SpanLook::large(const gotrace_large& large) const {
  if (!usable() || large.span == 0) return std::nullopt;
  const auto fields = parse(std::as_bytes(std::span(large.span_bytes)).first(layout_.mspan.size));
  const bool sound = fields && fields->state == kSpanInUse && fields->start != 0 && fields->slots == 1 &&
                     fields->size >= kMostSmall && fields->span_class >> 1 == 0;
  if (!sound) return std::nullopt;
  return FirstObject{large.span, fields->start, fields->size, 1, 0, fields->generation, fields->span_class};
}

std::vector<std::optional<FirstObject>> SpanLook::cached(std::span<const CacheSlot> slots,
                                                         std::uint32_t heap_generation) {
  std::vector<std::optional<FirstObject>> result(slots.size());
  if (!usable()) return result;
  std::vector<Address> spans(slots.size());
  std::vector<ReadRequest> requests(slots.size());
  for (std::size_t i = 0; i < slots.size(); ++i) {
    requests[i].address = slots[i].mcache + layout_.mcache.alloc.offset + sizeof(Address) * slots[i].span_class;
    requests[i].into = std::as_writable_bytes(std::span(&spans[i], 1));
  }
  memory_.read_many(requests);
  const auto before = read_spans(spans);
  std::vector<std::byte> buffer(slots.size() * kBitsBytes);
  auto bits = requests_for(buffer, kBitsBytes);
  for (std::size_t i = 0; i < slots.size(); ++i) bits[i].address = before[i] ? before[i]->alloc_bits : 0;
  memory_.read_many(bits);
  // Once more: bits that the span still points at, in the same generation, are what they were.
  const auto after = read_spans(spans);
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (!requests[i].done || !bits[i].done || !before[i] || !after[i]) continue;
    const bool same = after[i]->alloc_bits == before[i]->alloc_bits && after[i]->start == before[i]->start;
    if (!same || after[i]->generation != heap_generation + kCached) continue;
    result[i] = first_object(spans[i], *after[i], slots[i].span_class, bits[i].into);
  }
  return result;
}

Survival SpanLook::judge(const FirstObject& object, const SpanFields& span, std::uint32_t generation,
                         std::optional<bool> marked) {
  const Address start = object.base - object.slot * object.size;
  // A span goes back to the heap only when nothing in it was marked.
  if (span.state != kSpanInUse || span.start != start || span.span_class != object.span_class) return Survival::dead;
  const bool one_cycle = generation == object.generation + kGenerationsPerCycle;
  const bool swept = span.generation == generation || span.generation == generation + kCached;
  if (!swept) return one_cycle ? Survival::unchanged : Survival::unknown;
  if (!marked) return Survival::unknown;
  if (!*marked) return Survival::dead;  // it was allocated before the last mark ended: alive, it would be marked
  // Marked, but swept more than once since: the slot may have been freed and given to another object.
  return one_cycle ? Survival::survived : Survival::unknown;
}

std::vector<Survival> SpanLook::survivals(std::span<const FirstObject> objects, std::uint32_t heap_generation) {
  std::vector<Survival> result(objects.size(), Survival::unknown);
  if (!usable()) return result;
  std::vector<Address> spans;
  for (const auto& object : objects) spans.push_back(object.span);
  const auto fields = read_spans(spans);
  std::vector<std::byte> buffer(objects.size());
  auto bits = requests_for(buffer, 1);
  for (std::size_t i = 0; i < objects.size(); ++i) {
    bits[i].address = fields[i] ? fields[i]->alloc_bits + objects[i].slot / 8 : 0;
  }
  memory_.read_many(bits);
  for (std::size_t i = 0; i < objects.size(); ++i) {
    if (objects[i].generation == heap_generation) {
      result[i] = Survival::unchanged;
    } else if (fields[i]) {
      std::optional<bool> marked;
      if (bits[i].done) marked = (static_cast<std::uint8_t>(buffer[i]) >> (objects[i].slot % 8)) & 1;
      result[i] = judge(objects[i], *fields[i], heap_generation, marked);
    }
  }
  return result;
}

}  // namespace gotrace::probe
