// HeapGraph: the objects of a Go heap as a snapshot holds them: from an address to its object, which slots are in use,
// and which words of an object may be pointers.
//
// What is not known for sure is taken for the case that reaches more: a slot counts as in use, a word as a pointer.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "goruntime/pointer_maps.h"
#include "process/snapshot.h"

namespace gotrace::proof {

using process::Address;

struct ObjectRef {
  std::uint32_t span = 0;  // index
  std::uint32_t slot = 0;
  friend bool operator==(const ObjectRef&, const ObjectRef&) = default;
};

class HeapGraph {
 public:
  // `spans`: those in use. `program` sees the snapshot; both must outlive the graph.
  HeapGraph(const goruntime::Program& program, const process::Snapshot& snapshot,
            std::span<const goruntime::SpanView> spans, std::uint32_t heap_sweepgen);

  // Why nothing can be concluded: a span whose objects may hold pointers is missing, or there are too many. Empty: all
  // of the heap is here.
  [[nodiscard]] const std::string& why_unusable() const { return why_unusable_; }
  // The object that `address` lies in; nullopt: no object of the heap, or a slot that is not in use.
  [[nodiscard]] std::optional<ObjectRef> find(Address address) const {
    const std::uint32_t span = span_near(address);
    const std::uint32_t slot = span == kNone ? kNone : slot_at(span, address);
    return slot == kNone ? std::nullopt : std::optional(ObjectRef{span, slot});
  }
  // The same in two steps, between which what the second one needs can be fetched. First the span whose pages `address`
  // lies in (kNone: none), then the slot of the object (kNone: no object is there).
  static constexpr std::uint32_t kNone = 0xffffffff;
  [[nodiscard]] std::uint32_t span_near(Address address) const {
    const std::uint64_t offset = address - low_;
    if (offset >= extent_) return kNone;
    const auto& pages = chunks_[static_cast<std::size_t>(offset / kChunk)];
    return pages ? (*pages)[static_cast<std::size_t>(offset % kChunk / kPage)] - 1 : kNone;
  }
  [[nodiscard]] std::uint32_t slot_at(std::uint32_t index, Address address) const {
    const Span& span = spans_[index];
    if (address - span.base >= span.extent) return kNone;
    const auto slot = static_cast<std::uint32_t>(((address - span.base) * span.reciprocal) >> 32);
    return slot < span.elements && in_use(span, slot) ? slot : kNone;
  }
  void prefetch_span(std::uint32_t index) const { __builtin_prefetch(&spans_[index]); }

  // Objects are numbered: all slots of all spans, from 0.
  [[nodiscard]] std::uint32_t number(ObjectRef object) const { return spans_[object.span].first + object.slot; }
  [[nodiscard]] std::uint32_t slots() const { return slots_; }
  [[nodiscard]] Address address(ObjectRef object) const {
    return spans_[object.span].base + object.slot * spans_[object.span].element_size;
  }
  [[nodiscard]] std::uint64_t size(ObjectRef object) const { return spans_[object.span].element_size; }
  [[nodiscard]] bool has_pointers(ObjectRef object) const { return spans_[object.span].data != nullptr; }
  [[nodiscard]] ObjectRef object_of(std::uint32_t number) const;
  // The run-time address of the type of the object, or of its elements; 0: not known. Known from Go 1.22 on, of objects
  // above 512 bytes that hold pointers.
  [[nodiscard]] Address type(ObjectRef object) const {
    const Span& span = spans_[object.span];
    if (span.map == Map::large_type) return span.large_type();
    return span.map == Map::type ? word_at(span.data + object.slot * span.element_size, 0) : 0;
  }
  // By rising number of their objects.
  [[nodiscard]] std::uint32_t spans() const { return static_cast<std::uint32_t>(spans_.size()); }
  [[nodiscard]] std::uint32_t slots_of(std::uint32_t span) const { return spans_[span].elements; }
  // Memory of the heap, whether or not an object is there.
  [[nodiscard]] bool covers(Address address) const {
    const std::uint32_t span = span_near(address);
    return span != kNone && address - spans_[span].base < spans_[span].extent;
  }

  // Calls visit(word) for each word of the object that may be a pointer.
  template <typename Visit>
  void for_each_pointer(ObjectRef object, Visit&& visit);
  void prefetch(ObjectRef object) const {
    const Span& span = spans_[object.span];
    if (span.data == nullptr) return;
    const std::uint64_t offset = object.slot * span.element_size;
    __builtin_prefetch(span.data + offset);
    if (span.element_size > 64) __builtin_prefetch(span.data + offset + 64);  // of still larger ones the CPU sees it
    if (span.map == Map::span_bits || span.map == Map::arena_bits) __builtin_prefetch(span.bits + offset / 64);
    if (span.map == Map::arena_pairs) __builtin_prefetch(span.bits + offset / 32);
  }

 private:
  static constexpr std::uint64_t kPage = 8192;
  static constexpr std::uint64_t kChunk = 64ULL << 20;
  static constexpr std::uint64_t kWidest = 1ULL << 47;
  enum class Map : std::uint8_t {
    every_word,   // conservatively
    span_bits,    // a bit a word, of the whole span
    arena_bits,   // likewise of the whole arena: span.bits is where the span's begin
    arena_pairs,  // up to Go 1.19: a byte for four words, of the arena
    type,         // by the type in the object's header
    large_type,   // by the type that the span names
  };
  struct alignas(64) Span {  // a cache line
    Address base = 0;
    std::uint64_t extent = 0;  // bytes in which objects lie
    std::uint64_t element_size = 0;
    const std::byte* allocated = nullptr;  // a bit a slot; nullptr: all are in use
    const std::byte* data = nullptr;       // nullptr: without pointers
    union {
      const std::byte* bits = nullptr;
      Address type;  // of Map::large_type
    };
    std::uint32_t first = 0;  // number of its first object
    std::uint32_t elements = 0;
    std::uint32_t reciprocal = 0;  // of the element's size; 0: one element
    std::uint32_t free_index : 24 = 0;
    Map map : 8 = Map::every_word;
    [[nodiscard]] Address large_type() const { return type; }
  };
  static_assert(sizeof(Span) == 64);
  using Pages = std::array<std::uint32_t, kChunk / kPage>;  // index into spans_, plus 1
  struct Mask {
    std::uint64_t size = 0;  // 0: not known
    std::uint64_t pointer_words = 0;
    std::vector<std::uint64_t> bits;
  };

  void add(const goruntime::SpanView& view, std::uint32_t heap_sweepgen);
  void choose_map(const goruntime::SpanView& view, Span& span);
  [[nodiscard]] bool make_room(Address begin, Address end);
  [[nodiscard]] const std::byte* copied(Address address, std::uint64_t size) const;
  [[nodiscard]] const Mask& mask(Address type);

  [[nodiscard]] static bool in_use(const Span& span, std::uint32_t slot) {
    if (slot < span.free_index || span.allocated == nullptr) return true;
    return ((std::to_integer<unsigned>(span.allocated[slot / 8]) >> (slot % 8)) & 1) != 0;
  }
  static std::uint64_t word_at(const std::byte* data, std::uint64_t index) {
    std::uint64_t word = 0;
    std::memcpy(&word, data + 8 * index, 8);
    return word;
  }
  // `count` bits of a bitmap, 64 at most, from bit `index` on. Reads whole aligned words: those that hold a bit that is
  // asked for, which lie in the same pages as that.
  static std::uint64_t bits_from(const std::byte* bits, std::uint64_t index, std::uint64_t count) {
    const std::byte* at = bits + index / 8;
    const std::uint64_t before = reinterpret_cast<std::uintptr_t>(at) % 8;
    const std::uint64_t shift = 8 * before + index % 8;
    std::uint64_t result = word_at(at - before, 0) >> shift;
    if (shift + count > 64) result |= word_at(at - before, 1) << (64 - shift);
    return count == 64 ? result : result & ((1ULL << count) - 1);
  }
  // The lower halves of 8 bytes, behind each other.
  static std::uint64_t pack_halves(std::uint64_t bytes) {
    bytes &= 0x0f0f0f0f0f0f0f0f;
    bytes = (bytes | bytes >> 4) & 0x00ff00ff00ff00ff;
    bytes = (bytes | bytes >> 8) & 0x0000ffff0000ffff;
    return (bytes | bytes >> 16) & 0xffffffff;
  }
  template <typename Visit>
  void by_bits(const std::byte* data, std::uint64_t words, const std::byte* bits, std::uint64_t first, Visit& visit);
  template <typename Visit>
  void by_pairs(const std::byte* data, std::uint64_t words, const std::byte* bits, std::uint64_t first, Visit& visit);
  template <typename Visit>
  void by_mask(const std::byte* data, std::uint64_t words, Address type, Visit& visit);
  template <typename Visit>
  static void visit_set(const std::byte* data, std::uint64_t set, Visit& visit) {
    for (; set != 0; set &= set - 1) visit(word_at(data, static_cast<std::uint64_t>(std::countr_zero(set))));
  }

  const goruntime::Layout& layout_;
  const process::Snapshot& snapshot_;
  goruntime::PointerMaps maps_;
  Address low_ = 0;
  std::uint64_t extent_ = 0;
  std::vector<std::unique_ptr<Pages>> chunks_;
  std::vector<Span> spans_;
  std::uint32_t slots_ = 0;
  std::string why_unusable_;
  std::unordered_map<Address, Mask> masks_;
  std::pair<Address, const Mask*> recent_mask_{};
};

template <typename Visit>
void HeapGraph::by_bits(const std::byte* data, std::uint64_t words, const std::byte* bits, std::uint64_t first,
                        Visit& visit) {
  for (std::uint64_t at = 0; at < words; at += 64) {
    const std::uint64_t count = std::min<std::uint64_t>(64, words - at);
    visit_set(data + 8 * at, bits_from(bits, first + at, count), visit);
  }
}

// A byte for four words.
template <typename Visit>
void HeapGraph::by_pairs(const std::byte* data, std::uint64_t words, const std::byte* bits, std::uint64_t first,
                         Visit& visit) {
  const std::uint64_t skipped = first % 4;  // of the first byte's words
  for (std::uint64_t at = 0; at < words + skipped; at += 32) {
    const std::uint64_t count = std::min<std::uint64_t>(32, words + skipped - at);
    std::uint64_t set = pack_halves(bits_from(bits, 8 * ((first + at) / 4), (count + 3) / 4 * 8));
    set &= (1ULL << count) - 1;
    if (at == 0) set = set >> skipped << skipped;
    visit_set(data + 8 * at - 8 * skipped, set, visit);
  }
}

template <typename Visit>
void HeapGraph::by_mask(const std::byte* data, std::uint64_t words, Address type, Visit& visit) {
  const Mask& known = mask(type);
  if (known.size == 0) {
    for (std::uint64_t at = 0; at < words; ++at) visit(word_at(data, at));
    return;
  }
  const std::uint64_t step = known.size / 8;
  for (std::uint64_t at = 0; at < words; at += step)
    by_bits(data + 8 * at, std::min(known.pointer_words, words - at),
            reinterpret_cast<const std::byte*>(known.bits.data()), 0, visit);
}

template <typename Visit>
void HeapGraph::for_each_pointer(ObjectRef object, Visit&& visit) {
  const Span& span = spans_[object.span];
  if (span.data == nullptr) return;
  const std::uint64_t offset = object.slot * span.element_size;
  const std::byte* data = span.data + offset;
  const std::uint64_t words = span.element_size / 8;
  switch (span.map) {
    case Map::span_bits:
    case Map::arena_bits:
      return by_bits(data, words, span.bits, offset / 8, visit);
    case Map::arena_pairs:
      return by_pairs(data, words, span.bits, offset / 8, visit);
    case Map::type:
      return by_mask(data + 8, words - 1, word_at(data, 0), visit);
    case Map::large_type:
      return by_mask(data, words, span.large_type(), visit);
    case Map::every_word:
      break;
  }
  for (std::uint64_t at = 0; at < words; ++at) visit(word_at(data, at));
}

}  // namespace gotrace::proof
