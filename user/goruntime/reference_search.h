// ReferenceSearch: which words of a process's memory point into given heap objects. Made in slices, so that nothing
// else waits for it: a running process is read while it changes, and what was found must be looked at again before it
// is believed.
//
// Every word that could be a pointer counts; whether it is one is for PointerMaps to say, of those few that hit.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "goruntime/heap_spans.h"
#include "process/memory.h"

namespace gotrace::goruntime {

struct SearchRegion {
  enum class Kind : std::uint8_t { data, stack, heap } kind = Kind::data;
  process::Address begin = 0;  // a multiple of 8
  std::uint64_t size = 0;      // bytes
  std::uint32_t owner = 0;     // heap: index of the span; stack: of the goroutine
};

// Objects to look for, by number: 0, 1, 2, ... in the order of their addition.
class SearchTargets {
 public:
  static constexpr std::uint32_t kNone = 0xffffffff;
  static constexpr std::size_t kMost = 1U << 22;

  // Every slot of the span; returns the number of the first, nullopt when there would be too many.
  [[nodiscard]] std::optional<std::uint32_t> add_span(const SpanView& span);
  // One slot; of a span that was added whole its number is returned. nullopt: too many.
  [[nodiscard]] std::optional<std::uint32_t> add_object(const SpanView& span, std::uint64_t slot);
  [[nodiscard]] std::size_t size() const { return count_; }
  // The target that an address lies in; kNone: none.
  [[nodiscard]] std::uint32_t at(process::Address address) const {
    const std::uint64_t offset = address - low_;
    if (offset >= extent_) return kNone;
    const auto& pages = arenas_[static_cast<std::size_t>(offset / kChunk)];
    if (!pages) return kNone;
    const std::uint32_t entry = (*pages)[static_cast<std::size_t>(offset % kChunk / kPage)];
    return entry == 0 ? kNone : in_span(spans_[entry - 1], address);
  }

 private:
  static constexpr std::uint64_t kPage = 8192;
  static constexpr std::uint64_t kChunk = 64ULL << 20;
  static constexpr std::uint64_t kWidest = 1ULL << 47;      // of all addresses together
  using Pages = std::array<std::uint32_t, kChunk / kPage>;  // index into spans_, plus 1
  struct TargetSpan {
    process::Address base = 0;
    std::uint64_t element_size = 0;
    std::uint64_t elements = 0;
    process::Address limit = 0;
    std::vector<std::uint32_t> numbers;  // by slot; kNone: not looked for
  };
  [[nodiscard]] static std::uint32_t in_span(const TargetSpan& span, process::Address address) {
    if (address >= span.limit) return kNone;
    const std::uint64_t slot = span.elements == 1 ? 0 : (address - span.base) / span.element_size;
    return slot < span.numbers.size() ? span.numbers[static_cast<std::size_t>(slot)] : kNone;
  }
  [[nodiscard]] TargetSpan* span_for(const SpanView& span);
  [[nodiscard]] bool make_room(process::Address begin, process::Address end);

  process::Address low_ = 0;
  std::uint64_t extent_ = 0;
  std::vector<std::unique_ptr<Pages>> arenas_;
  std::vector<TargetSpan> spans_;
  std::uint32_t count_ = 0;
};

struct Reference {
  const SearchRegion* region = nullptr;
  std::uint32_t target = 0;
  process::Address place = 0;          // where the word is
  std::array<std::uint64_t, 3> words;  // it, and the two behind it
  std::uint8_t known = 1;              // of `words`: as far as the region reaches
};

class ReferenceSearch {
 public:
  using Visit = std::function<void(const Reference&)>;

  // Regions are read in the order given. All must outlive the search.
  ReferenceSearch(process::RemoteMemory& memory, const SearchTargets& targets, std::vector<SearchRegion> regions);

  // Reads at least one and at most `bytes` more; false when all has been read.
  bool step(std::uint64_t bytes, const Visit& visit);
  [[nodiscard]] bool done() const { return region_ >= regions_.size(); }
  [[nodiscard]] std::uint64_t total_bytes() const { return total_; }
  [[nodiscard]] std::uint64_t read_bytes() const { return read_; }
  [[nodiscard]] std::uint64_t unreadable_bytes() const { return unreadable_; }  // gone meanwhile

 private:
  struct Piece {
    const SearchRegion* region = nullptr;
    std::uint64_t own = 0;  // bytes; what is read beyond belongs to the next piece
  };
  void plan(std::uint64_t bytes);
  void search(const Piece& piece, process::Address begin, Bytes bytes, const Visit& visit) const;

  process::RemoteMemory& memory_;
  const SearchTargets& targets_;
  std::vector<SearchRegion> regions_;
  std::size_t region_ = 0;  // next to read, and from where in it
  std::uint64_t offset_ = 0;
  std::uint64_t total_ = 0, read_ = 0, unreadable_ = 0;
  std::vector<std::byte> buffer_;
  std::vector<process::ReadRequest> requests_;
  std::vector<Piece> pieces_;
};

}  // namespace gotrace::goruntime
