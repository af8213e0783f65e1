#include "proof/heap_graph.h"

#include <algorithm>

#include "goruntime/heap_arenas.h"

namespace gotrace::proof {

using goruntime::SpanView;

namespace {

constexpr std::uint32_t kMostSlots = 0xfffffff0;
constexpr const char* kNotCopied = "a part of the heap was not copied";

}  // namespace

HeapGraph::HeapGraph(const goruntime::Program& program, const process::Snapshot& snapshot,
                     std::span<const SpanView> spans, std::uint32_t heap_sweepgen)
    : layout_(program.layout()), snapshot_(snapshot), maps_(program) {
  spans_.reserve(spans.size());
  for (const SpanView& view : spans)
    if (view.in_use()) add(view, heap_sweepgen);
}

const std::byte* HeapGraph::copied(Address address, std::uint64_t size) const {
  const auto bytes = snapshot_.bytes(address, size);
  return bytes ? bytes->data() : nullptr;
}

// Both ends of what is known move outward by whole chunks.
bool HeapGraph::make_room(Address begin, Address end) {
  const Address low = begin / kChunk * kChunk;
  const Address high = (end + kChunk - 1) / kChunk * kChunk;
  if (end <= begin || high < end) return false;
  const Address new_low = extent_ == 0 ? low : std::min(low_, low);
  const Address new_high = extent_ == 0 ? high : std::max(low_ + extent_, high);
  if (new_high - new_low > kWidest) return false;
  const auto before = static_cast<std::ptrdiff_t>(extent_ == 0 ? 0 : (low_ - new_low) / kChunk);
  const auto count = static_cast<std::size_t>((new_high - new_low) / kChunk);
  if (count != chunks_.size()) {
    std::vector<std::unique_ptr<Pages>> grown(count);
    std::ranges::move(chunks_, grown.begin() + before);
    chunks_ = std::move(grown);
  }
  low_ = new_low;
  extent_ = new_high - new_low;
  return true;
}

// freeIndexForScan and gcmarkBits are stale while a GC runs: freeindex and allocBits are not, but for a span that is
// being swept (sweepgen one behind the heap's), or was cached by a P before it was swept (one ahead): there, all slots
// count (runtime/mheap.go, the comment at sweepgen; mgcsweep.go, sweep).
void HeapGraph::add(const SpanView& view, std::uint32_t heap_sweepgen) {
  const std::uint64_t size = view.pages * goruntime::kHeapPage;
  const bool multiple = view.elements > 1;
  if (view.elements > kMostSlots - slots_) {
    why_unusable_ = "its heap has room for more objects than can be told apart";
    return;
  }
  if ((multiple && size >= (1ULL << 32)) || !make_room(view.base, view.base + size)) {
    why_unusable_ = kNotCopied;
    return;
  }
  Span span;
  span.base = view.base;
  span.element_size = view.element_size;
  span.elements = static_cast<std::uint32_t>(view.elements);
  span.extent = std::min(size, view.limit > view.base ? view.limit - view.base : 0);
  span.extent = std::min(span.extent, view.elements * view.element_size);
  // runtime/mksizeclasses.go: exact for all offsets in spans of the size classes.
  if (multiple) span.reciprocal = static_cast<std::uint32_t>(~0U / view.element_size + 1);
  span.first = slots_;
  constexpr std::uint32_t kMostFreeIndex = (1U << 24) - 1;
  span.free_index =
      static_cast<std::uint32_t>(std::min<std::uint64_t>(view.free_index, kMostFreeIndex)) & kMostFreeIndex;
  const std::uint32_t ahead = view.sweepgen - heap_sweepgen;
  const bool told = view.elements <= kMostFreeIndex;
  if (told && (ahead == 0 || ahead == 3 || ahead == static_cast<std::uint32_t>(-2)))
    span.allocated = copied(view.alloc_bits, (view.elements + 7) / 8);
  if (!view.noscan()) {
    span.data = copied(view.base, view.elements * view.element_size);
    if (span.data == nullptr) why_unusable_ = kNotCopied;
    if (span.data != nullptr) choose_map(view, span);
  }
  slots_ += span.elements;
  spans_.push_back(span);
  const auto entry = static_cast<std::uint32_t>(spans_.size());
  for (Address page = view.base; page < view.base + size; page += kPage) {
    auto& pages = chunks_[static_cast<std::size_t>((page - low_) / kChunk)];
    if (!pages) pages = std::make_unique<Pages>();
    (*pages)[static_cast<std::size_t>((page - low_) % kChunk / kPage)] = entry;
  }
}

void HeapGraph::choose_map(const SpanView& view, Span& span) {
  if (view.user_arena) return;
  const std::uint64_t words = span.elements * span.element_size / 8;
  if (layout_.heapArena.bitmap.present()) {
    const Address last = view.base + span.elements * span.element_size - 1;
    const auto arena = maps_.bits_of_arena(view.base);
    if (!arena || goruntime::arena_index(view.base) != goruntime::arena_index(last)) return;
    const std::uint64_t first = goruntime::offset_in_arena(view.base) / 8;  // a multiple of 1024
    const std::uint64_t per_byte = arena->two_bits ? 4 : 8;
    span.bits = copied(arena->address + first / per_byte, (words + per_byte - 1) / per_byte);
    if (span.bits != nullptr) span.map = arena->two_bits ? Map::arena_pairs : Map::arena_bits;
  } else if (const auto bits = maps_.bits_in_span(view)) {
    span.bits = copied(*bits, (words + 7) / 8);
    if (span.bits != nullptr) span.map = Map::span_bits;
  } else if (view.element_size > 512) {
    span.map = view.large() ? Map::large_type : Map::type;
    if (view.large()) span.type = view.large_type;
  }
}

const HeapGraph::Mask& HeapGraph::mask(Address type) {
  if (recent_mask_.second != nullptr && recent_mask_.first == type) return *recent_mask_.second;
  auto [known, fresh] = masks_.try_emplace(type);
  if (fresh && type != 0) {
    const auto* found = maps_.type_mask(type);
    if (found != nullptr && found->bits && found->size % 8 == 0 && found->size != 0) {
      known->second = {found->size, found->pointer_bytes / 8, {}};
      known->second.bits.resize(found->bits->size() / 8 + 1);
      std::memcpy(known->second.bits.data(), found->bits->data(), found->bits->size());
    }
  }
  recent_mask_ = {type, &known->second};
  return known->second;
}

ObjectRef HeapGraph::object_of(std::uint32_t number) const {
  const auto after = std::ranges::upper_bound(spans_, number, {}, &Span::first);
  const auto index = static_cast<std::uint32_t>(after - spans_.begin() - 1);
  return {index, number - spans_[index].first};
}

}  // namespace gotrace::proof
