// Spans of the Go heap: from an address to its span and object, by mheap_.arenas.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>

#include "goruntime/readers.h"

namespace gotrace::goruntime {

struct SpanView {  // a runtime.mspan
  process::Address base = 0;
  std::uint64_t pages = 0;
  std::uint64_t element_size = 0;
  std::uint64_t elements = 0;
  std::uint64_t free_index = 0;
  process::Address limit = 0;       // end of data
  process::Address alloc_bits = 0;  // one bit an element
  process::Address mark_bits = 0;
  process::Address specials = 0;    // the first runtime.special; 0: none
  process::Address large_type = 0;  // Go 1.22 and later, large objects only: their *_type
  std::uint32_t sweepgen = 0;
  std::uint8_t span_class = 0;
  std::uint8_t state = 0;
  bool user_arena = false;            // a chunk of package arena: no object of its own
  [[nodiscard]] bool in_use() const;  // holds Go objects, and its numbers fit each other
  [[nodiscard]] bool manual() const;  // the runtime's own: stacks of goroutines, and what the GC works with
  [[nodiscard]] bool noscan() const { return (span_class & 1) != 0; }
  [[nodiscard]] bool large() const { return (span_class >> 1) == 0; }  // one object, of no size class
};

[[nodiscard]] SpanView decode_span(const Layout& layout, Bytes span);

class HeapObjects final : public ObjectLookup {
 public:
  // Sends no record. `program` must outlive this.
  explicit HeapObjects(const Program& program);
  [[nodiscard]] std::string why_unusable() const { return why_unusable_; }  // empty: usable
  [[nodiscard]] bool available() const override { return why_unusable_.empty(); }
  // nullopt: no Go object there, or (Go 1.25 and later) its span is not swept yet and can't be judged.
  [[nodiscard]] std::optional<Object> find(process::Address address) override;
  [[nodiscard]] std::optional<std::uint32_t> heap_sweepgen() override;

 private:
  [[nodiscard]] std::string find_out() const;
  [[nodiscard]] std::string validate();
  [[nodiscard]] std::optional<process::Address> span_of(process::Address address);
  [[nodiscard]] std::optional<SpanView> read_span(process::Address span) const;
  [[nodiscard]] std::optional<process::Address> bits_to_trust(const SpanView& span, std::uint32_t heap_sweepgen) const;

  const Program& program_;
  const Layout& layout_;
  process::RemoteMemory& memory_;
  process::Address heap_ = 0;                                   // runtime.mheap_
  std::unordered_map<std::uint64_t, process::Address> arenas_;  // heapArena by index; once set it stays
  std::string why_unusable_;
};

}  // namespace gotrace::goruntime
