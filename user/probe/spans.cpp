#include "probe/spans.h"

#include <bit>

namespace gotrace::probe {
namespace {

using process::Address;
using process::ReadRequest;

// runtime/sizeclasses.go: a span of 8-byte objects has 1024 slots, of which none has more.
constexpr std::uint64_t kMostSlots = 1024;
constexpr std::size_t kBitsBytes = kMostSlots / 8;
constexpr std::uint32_t kMostSpanBytes = 512;  // sizeof(mspan) is 136..168 so far
constexpr std::uint8_t kSpanInUse = 1;         // runtime/mheap.go, mSpanInUse
constexpr std::uint32_t kCached = 3;           // sweepgen of a span in a mcache: the heap's + 3 (runtime/mheap.go)
constexpr std::uint32_t kGenerationsPerCycle = 2;

std::optional<std::uint64_t> number(Bytes bytes, const goruntime::Field& field) {
  if (!field.present()) return std::nullopt;
  switch (field.size) {
    case 1: return load<std::uint8_t>(bytes, field.offset);
    case 2: return load<std::uint16_t>(bytes, field.offset);
    case 4: return load<std::uint32_t>(bytes, field.offset);
    case 8: return load<std::uint64_t>(bytes, field.offset);
    default: return std::nullopt;
  }
}

std::vector<ReadRequest> requests_for(std::span<std::byte> buffer, std::size_t each) {
  std::vector<ReadRequest> requests(buffer.size() / each);
  for (std::size_t i = 0; i < requests.size(); ++i) requests[i].into = buffer.subspan(i * each, each);
  return requests;
}

struct Slots {
  std::uint64_t first_free = 0;  // == slots: none
  std::uint64_t free = 0;
};

Slots count_slots(Bytes bits, std::uint64_t slots) {
  Slots result{slots, 0};
  for (std::uint64_t i = 0; i < slots; ++i) {
    const auto byte = static_cast<std::uint8_t>(bits[i / 8]);
    if ((byte >> (i % 8)) & 1) continue;
    if (result.free++ == 0) result.first_free = i;
  }
  return result;
}

}  // namespace

bool SpanLook::usable() const {
  const auto& span = layout_.mspan;
  return layout_.mcache.alloc.present() && span.size > 0 && span.size <= kMostSpanBytes && span.startAddr.present() &&
         span.allocBits.present() && span.nelems.present() && span.elemsize.present() && span.sweepgen.present() &&
         span.spanclass.present() && span.state.present();
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

std::vector<std::optional<FirstObject>> SpanLook::first_objects(std::span<const SpanClaim> claims) {
  std::vector<std::optional<FirstObject>> result(claims.size());
  if (!usable()) return result;
  // The bits first, then the span: bits that the span still points at in the same generation are what they were.
  std::vector<std::byte> buffer(claims.size() * kBitsBytes);
  auto bits = requests_for(buffer, kBitsBytes);
  std::vector<Address> spans;
  for (std::size_t i = 0; i < claims.size(); ++i) {
    bits[i].address = claims[i].alloc_bits;
    spans.push_back(claims[i].span);
  }
  memory_.read_many(bits);
  const auto fields = read_spans(spans);
  for (std::size_t i = 0; i < claims.size(); ++i) {
    const auto& claim = claims[i];
    if (!bits[i].done || !fields[i]) continue;
    const auto& span = *fields[i];
    const bool same = span.state == kSpanInUse && span.start == claim.start && span.alloc_bits == claim.alloc_bits &&
                      span.span_class == claim.span_class && span.slots > 0 && span.slots <= kMostSlots &&
                      (span.generation == claim.generation || span.generation == claim.generation + kCached);
    if (!same) continue;
    const auto slots = count_slots(bits[i].into, span.slots);
    if (slots.free == 0) continue;
    result[i] = FirstObject{claim.span,
                            claim.start + slots.first_free * span.size,
                            span.size,
                            slots.free,
                            static_cast<std::uint32_t>(slots.first_free),
                            claim.generation,
                            claim.span_class};
  }
  return result;
}

std::vector<std::optional<SpanClaim>> SpanLook::cached(std::span<const CacheSlot> slots,
                                                       std::uint32_t heap_generation) {
  std::vector<std::optional<SpanClaim>> result(slots.size());
  if (!usable()) return result;
  std::vector<Address> spans(slots.size());
  std::vector<ReadRequest> requests(slots.size());
  for (std::size_t i = 0; i < slots.size(); ++i) {
    requests[i].address = slots[i].mcache + layout_.mcache.alloc.offset + sizeof(Address) * slots[i].span_class;
    requests[i].into = std::as_writable_bytes(std::span(&spans[i], 1));
  }
  memory_.read_many(requests);
  const auto fields = read_spans(spans);
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (!requests[i].done || !fields[i]) continue;
    const auto& span = *fields[i];
    if (span.generation != heap_generation + kCached || span.span_class != slots[i].span_class) continue;
    result[i] = SpanClaim{spans[i], span.start, span.alloc_bits, heap_generation, span.span_class};
  }
  return result;
}

Survival SpanLook::judge(const FirstObject& object, const SpanFields& span, std::uint32_t generation,
                         std::optional<bool> marked) {
  const Address start = object.base - object.slot * object.size;
  // A span goes back to the heap only when nothing in it was marked.
  if (span.state != kSpanInUse || span.start != start || span.span_class != object.span_class) return Survival::dead;
  if (span.generation != generation && span.generation != generation + kCached) return Survival::unknown;
  if (!marked) return Survival::unknown;
  if (!*marked) return Survival::dead;  // it was allocated before the last mark ended: alive, it would be marked
  // Marked, but swept more than once since: the slot may have been freed and given to another object.
  return generation == object.generation + kGenerationsPerCycle ? Survival::survived : Survival::unknown;
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
