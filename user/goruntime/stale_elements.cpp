#include "goruntime/stale_elements.h"

#include <algorithm>
#include <unordered_set>

namespace gotrace::goruntime {
namespace {

constexpr std::uint64_t kLargestArray = 32U << 20;  // bytes that are read of one
constexpr std::size_t kMostSample = 128;

// Elements of what size the slice has, where no type says it: known when its capacity ends where the object does, or,
// at least not larger than that, by the place of the first one.
std::optional<std::uint64_t> element_size_of(std::uint64_t object_size, const Window& window) {
  const std::uint64_t size = largest_element(object_size, window);
  const std::uint64_t rest = object_size - window.offset;
  const bool fills = window.capacity <= rest / size && window.capacity * size >= rest - rest / 8;
  const bool cut = window.length == window.capacity && window.offset != 0 && window.capacity * size <= rest;
  return fills || cut ? std::optional(size) : std::nullopt;
}

bool within(const std::vector<std::pair<std::uint64_t, std::uint64_t>>& parts, std::uint64_t offset) {
  return std::ranges::any_of(parts,
                             [offset](const auto& part) { return offset >= part.first && offset < part.second; });
}

}  // namespace

std::optional<ArrayParts> array_parts(std::uint64_t object_size, std::span<const Window> windows,
                                      const std::optional<ElementType>& type) {
  ArrayParts parts;
  if (type) parts.begin = type->begin;
  for (const Window& window : windows) {
    if (!window.slice || window.offset < parts.begin || window.offset >= object_size) return std::nullopt;
    const auto size = type ? std::optional(type->size) : element_size_of(object_size, window);
    const std::uint64_t rest = object_size - window.offset;
    if (!size || *size == 0 || *size > object_size || window.capacity > rest / *size) return std::nullopt;
    if (type && (window.offset - parts.begin) % *size != 0) return std::nullopt;
    parts.element_size = *size;
    parts.lengths.emplace_back(window.offset, window.offset + window.length * *size);
    parts.capacities.emplace_back(window.offset, window.offset + window.capacity * *size);
  }
  return windows.empty() ? std::nullopt : std::optional(std::move(parts));
}

std::optional<StaleElements> read_stale_elements(process::RemoteMemory& memory, PointerMaps& maps,
                                                 const HeapSpans& spans, const SpanView& span, process::Address object,
                                                 const ArrayParts& parts) {
  if (span.element_size > kLargestArray) return std::nullopt;
  const auto words = maps.words(span, object, 0, span.element_size / 8);
  const auto bytes = words ? memory.block(object, span.element_size) : std::nullopt;
  if (!bytes) return std::nullopt;
  StaleElements stale;
  std::unordered_set<process::Address> kept;
  for (std::uint64_t word = 0; word < words->size(); ++word) {
    const auto pointer = load_or_zero<std::uint64_t>(*bytes, 8 * word);
    if (!(*words)[word] || pointer == 0) continue;
    ++stale.pointers;
    if (within(parts.lengths, 8 * word)) continue;
    ++stale.unused;
    if (within(parts.capacities, 8 * word)) ++stale.beyond_length;
    const SpanView* target = spans.find(pointer);
    const auto slot = target != nullptr ? slot_of(*target, pointer) : std::nullopt;
    if (!slot) continue;
    const process::Address base = target->base + *slot * target->element_size;
    if (!kept.insert(base).second) continue;
    stale.kept_bytes += target->element_size;
    if (stale.sample.size() < kMostSample) stale.sample.push_back(base);
  }
  return stale;
}

}  // namespace gotrace::goruntime
