// HeapSpans: all spans of the heap that hold Go objects, as one look at mheap_.allspans found them. The look is not
// atomic: a span may have been freed and reused since. What is concluded from it must be read twice.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "goruntime/object_lookup.h"

namespace gotrace::goruntime {

// The addresses in mheap_.allspans: runtime.mspan structs, those of spans that were freed among them.
[[nodiscard]] std::optional<std::vector<process::Address>> read_span_addresses(const Program& program);

class HeapSpans {
 public:
  // nullopt: runtime.mheap_ was not found, or can't be read.
  [[nodiscard]] static std::optional<HeapSpans> read(const Program& program);
  explicit HeapSpans(std::vector<SpanView> spans);

  [[nodiscard]] const std::vector<SpanView>& all() const { return spans_; }  // by rising base, none overlaps another
  // The span whose objects `address` may lie in; null: none.
  [[nodiscard]] const SpanView* find(process::Address address) const;
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }  // of all spans

 private:
  std::vector<SpanView> spans_;
  std::uint64_t bytes_ = 0;
};

// Which slot of a span an address lies in; nullopt: beyond the last one. REQUIRES in_use() and address >= base.
[[nodiscard]] inline std::optional<std::uint64_t> slot_of(const SpanView& span, process::Address address) {
  const std::uint64_t slot = (address - span.base) / span.element_size;
  return slot < span.elements ? std::optional(slot) : std::nullopt;
}

}  // namespace gotrace::goruntime
