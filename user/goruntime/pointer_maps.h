// PointerMaps: which words hold pointers, of a heap object or of the package variables, as the garbage collector knows
// it. The maps are the runtime's own, of a kind by version (runtime/mbitmap.go):
//   up to Go 1.19   heapArena.bitmap, two bits a word: pointer, and "more pointers follow"
//   1.20 and 1.21   heapArena.bitmap, one bit a word
//   from 1.22 on    objects of up to 512 bytes: bits at the end of their span; larger ones: the pointer mask of their
//                   type, which the word before the object names (its allocation header), or mspan.largeType.
// Not known (nullopt) is a type whose mask is a program (up to 1.23) or has not been made (from 1.24 on), and what
// can't be read: then each word may be a pointer.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "goruntime/object_lookup.h"
#include "process/recent_pages.h"

namespace gotrace::goruntime {

struct ElementType {  // of what lies in an object: one value, or several as in the array of a slice
  process::Address address = 0;
  std::uint64_t size = 0;
  std::uint64_t pointer_bytes = 0;  // all pointers lie within
  std::uint64_t begin = 0;          // where the first one begins in the object: 8 behind an allocation header
};

class PointerMaps {
 public:
  // `program` must outlive this.
  explicit PointerMaps(const Program& program);

  // Of `count` words from `first_word` on of the object at `object`: true where there is a pointer. Words beyond the
  // object's end hold none.
  [[nodiscard]] std::optional<std::vector<bool>> words(const SpanView& span, process::Address object,
                                                       std::uint64_t first_word, std::uint64_t count);
  // Go 1.22 and later, objects above 512 bytes that hold pointers.
  [[nodiscard]] std::optional<ElementType> element_type(const SpanView& span, process::Address object);
  // Where the bits of all words of a span are, one each, from its first word on; nullopt where its objects have none
  // there: before Go 1.22, and above 512 bytes.
  [[nodiscard]] std::optional<process::Address> bits_in_span(const SpanView& span);
  // Go 1.15 to 1.21: the bits of all words of the arena that `address` is in.
  struct ArenaBits {
    process::Address address = 0;
    bool two_bits = false;  // a byte for four words, the lower half of which tells pointers
  };
  [[nodiscard]] std::optional<ArenaBits> bits_of_arena(process::Address address);
  struct TypeMask {
    std::uint64_t size = 0;
    std::uint64_t pointer_bytes = 0;
    std::optional<std::vector<std::byte>> bits;  // nullopt: not known
  };
  // nullptr: no type is there. Valid until the next call.
  [[nodiscard]] const TypeMask* type_mask(process::Address type);
  // The bits of the heap are read by the page, and what was read is believed until this is called: they say of an
  // object what it was then.
  void forget_bits() { bits_.forget(); }
  // Of a package variable's words; nullopt where `address` is not in data or bss.
  [[nodiscard]] std::optional<std::vector<bool>> data_words(process::Address address, std::uint64_t count) const;

 private:
  struct DataMask {
    process::Address begin = 0;
    std::uint64_t size = 0;
    std::vector<std::byte> bits;
  };
  using Words = std::optional<std::vector<bool>>;
  void read_data_masks();
  [[nodiscard]] Words from_arena(process::Address address, std::uint64_t count);
  [[nodiscard]] Words from_span(const SpanView& span, process::Address address, std::uint64_t count);
  [[nodiscard]] Words from_type(const SpanView& span, process::Address object, std::uint64_t first_word,
                                std::uint64_t count);
  [[nodiscard]] Words read_bits(process::Address bits, std::uint64_t first, std::uint64_t count);
  [[nodiscard]] std::optional<bool> has_inline_marks(process::Address page);
  [[nodiscard]] std::optional<process::Address> arena_of(process::Address address);
  [[nodiscard]] std::optional<TypeMask> read_type(process::Address type);

  const Program& program_;
  const Layout& layout_;
  process::RemoteMemory& memory_;
  process::RecentPages bits_;  // memory_, for bits: those of a few words are asked for at a time
  std::vector<DataMask> data_;
  std::unordered_map<std::uint64_t, process::Address> arenas_;
  std::unordered_map<process::Address, std::optional<TypeMask>> types_;
};

}  // namespace gotrace::goruntime
