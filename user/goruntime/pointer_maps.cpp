#include "goruntime/pointer_maps.h"

#include <algorithm>

#include "goruntime/heap_arenas.h"

namespace gotrace::goruntime {
namespace {

constexpr std::uint64_t kLargestWithBits = 512;    // runtime/mbitmap.go, minSizeForMallocHeader (inclusive here)
constexpr std::uint64_t kHeaderBytes = 8;          // mallocHeaderSize
constexpr std::uint64_t kInlineMarkBytes = 128;    // runtime/mgcmark_greenteagc.go, spanInlineMarkBits, Go 1.25 to 1.27
constexpr std::uint64_t kTwoBitBitmap = 2U << 20;  // bytes of heapArena.bitmap up to Go 1.19
constexpr std::uint8_t kProgramKind = 1 << 6;      // kindGCProg, up to Go 1.23
constexpr std::uint8_t kMaskOnDemand = 1 << 4;     // abi.TFlagGCMaskOnDemand, from Go 1.24 on
constexpr std::uint64_t kMostMaskBytes = 8U << 20;
constexpr std::uint64_t kMostWords = 1ULL << 27;  // of one question: a GiB
constexpr std::size_t kMostTypes = 1U << 16;
constexpr std::size_t kPagesOfBits = 64;
constexpr std::size_t kMostArenasKnown = 1U << 16;

bool bit_at(Bytes bytes, std::uint64_t index) {
  return ((load_or_zero<std::uint8_t>(bytes, index / 8) >> (index % 8)) & 1) != 0;
}

}  // namespace

PointerMaps::PointerMaps(const Program& program)
    : program_(program), layout_(program.layout()), memory_(program.target().memory()), bits_(memory_, kPagesOfBits) {
  read_data_masks();
}

// moduledata.gcdatamask and gcbssmask: made at start (runtime/symtab.go, modulesinit and schedinit).
void PointerMaps::read_data_masks() {
  const auto module = program_.global("firstmoduledata");
  const auto& fields = layout_.moduledata;
  const auto ranges = program_.data_ranges();
  const Field* masks[] = {&fields.gcdatamask_bytedata, &fields.gcbssmask_bytedata};
  for (std::size_t i = 0; module && i < std::min<std::size_t>(2, ranges.size()); ++i) {
    if (!masks[i]->present() || ranges[i].end <= ranges[i].begin) continue;
    const std::uint64_t size = ranges[i].end - ranges[i].begin;
    const auto mask = memory_.value<process::Address>(*module + masks[i]->offset);
    if (!mask || *mask == 0) continue;
    if (auto bits = memory_.block(*mask, size / 64 + 1))
      data_.push_back({ranges[i].begin + program_.load_bias(), size, std::move(*bits)});
  }
}

PointerMaps::Words PointerMaps::data_words(process::Address address, std::uint64_t count) const {
  for (const DataMask& mask : data_) {
    if (address < mask.begin || address - mask.begin >= mask.size) continue;
    std::vector<bool> words(static_cast<std::size_t>(std::min(count, kMostWords)));
    const std::uint64_t first = (address - mask.begin) / 8;
    for (std::size_t i = 0; i < words.size() && first + i < mask.size / 8; ++i) words[i] = bit_at(mask.bits, first + i);
    return words;
  }
  return std::nullopt;
}

PointerMaps::Words PointerMaps::words(const SpanView& span, process::Address object, std::uint64_t first_word,
                                      std::uint64_t count) {
  const std::uint64_t in_object = span.element_size / 8;
  if (span.noscan() || first_word >= in_object) return std::vector<bool>(static_cast<std::size_t>(count));
  if (count > kMostWords) return std::nullopt;
  const std::uint64_t asked = std::min(count, in_object - first_word);
  const process::Address address = object + 8 * first_word;
  Words found;
  if (layout_.heapArena.bitmap.present()) {
    found = from_arena(address, asked);
  } else if (span.element_size <= kLargestWithBits) {
    found = from_span(span, address, asked);
  } else {
    found = from_type(span, object, first_word, asked);
  }
  if (found) found->resize(static_cast<std::size_t>(count));
  return found;
}

PointerMaps::Words PointerMaps::read_bits(process::Address bits, std::uint64_t first, std::uint64_t count) {
  const auto bytes = bits_.block(bits + first / 8, (first % 8 + count + 7) / 8);
  if (!bytes) return std::nullopt;
  std::vector<bool> words(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < words.size(); ++i) words[i] = bit_at(*bytes, first % 8 + i);
  return words;
}

std::optional<process::Address> PointerMaps::arena_of(process::Address address) {
  const std::uint64_t index = arena_index(address);
  const auto known = arenas_.find(index);
  if (known != arenas_.end()) return known->second;
  const auto arena = heap_arena(program_, address);
  if (!arena) return std::nullopt;
  if (arenas_.size() >= kMostArenasKnown) arenas_.clear();
  return arenas_.emplace(index, *arena).first->second;
}

// Of an object that reaches into the next arena (larger than what is left of it) the bits go on in that one's bitmap.
PointerMaps::Words PointerMaps::from_arena(process::Address address, std::uint64_t count) {
  const bool two_bits = layout_.heapArena.bitmap.size == kTwoBitBitmap;
  std::vector<bool> words;
  while (count > 0) {
    const auto arena = arena_of(address);
    if (!arena) return std::nullopt;
    const std::uint64_t word = offset_in_arena(address) / 8;
    const std::uint64_t here = std::min(count, (kArenaBytes - offset_in_arena(address)) / 8);
    const process::Address bitmap = *arena + layout_.heapArena.bitmap.offset;
    if (two_bits) {  // a byte for four words: pointer bits in the lower half, "scan" bits in the upper
      const auto bytes = bits_.block(bitmap + word / 4, (word % 4 + here + 3) / 4);
      if (!bytes) return std::nullopt;
      for (std::uint64_t i = word % 4; i < word % 4 + here; ++i) words.push_back(bit_at(*bytes, i / 4 * 8 + i % 4));
    } else {
      const auto bits = read_bits(bitmap, word, here);
      if (!bits) return std::nullopt;
      words.insert(words.end(), bits->begin(), bits->end());
    }
    address += 8 * here;
    count -= here;
  }
  return words;
}

// nullopt: can't be read.
std::optional<bool> PointerMaps::has_inline_marks(process::Address page) {
  const Field& field = layout_.heapArena.pageUseSpanInlineMarkBits;
  if (!field.present()) return false;
  const auto arena = arena_of(page);
  if (!arena) return std::nullopt;
  const std::uint64_t index = offset_in_arena(page) / kHeapPage;
  const auto byte = memory_.value<std::uint8_t>(*arena + field.offset + index / 8);
  if (!byte) return std::nullopt;
  return ((*byte >> (index % 8)) & 1) != 0;
}

// runtime/mbitmap.go, spanHeapBitsRange.
std::optional<process::Address> PointerMaps::bits_in_span(const SpanView& span) {
  if (layout_.heapArena.bitmap.present() || span.noscan() || span.element_size > kLargestWithBits) return std::nullopt;
  const std::uint64_t size = span.pages * kHeapPage;
  const process::Address bits = span.base + size - size / 64;
  const auto marks = has_inline_marks(span.base);
  if (!marks) return std::nullopt;
  return *marks ? bits - kInlineMarkBytes : bits;
}

PointerMaps::Words PointerMaps::from_span(const SpanView& span, process::Address address, std::uint64_t count) {
  const auto bits = bits_in_span(span);
  return bits ? read_bits(*bits, (address - span.base) / 8, count) : std::nullopt;
}

std::optional<PointerMaps::ArenaBits> PointerMaps::bits_of_arena(process::Address address) {
  const Field& bitmap = layout_.heapArena.bitmap;
  const auto arena = bitmap.present() ? arena_of(address) : std::nullopt;
  if (!arena) return std::nullopt;
  return ArenaBits{*arena + bitmap.offset, bitmap.size == kTwoBitBitmap};
}

std::optional<PointerMaps::TypeMask> PointerMaps::read_type(process::Address type) {
  const auto& fields = layout_._type;
  const auto bytes = fields.size != 0 ? memory_.block(type, fields.size) : std::nullopt;
  if (!bytes || !fields.GCData.present()) return std::nullopt;
  TypeMask mask;
  mask.size = load_or_zero<std::uint64_t>(*bytes, fields.Size_.offset);
  mask.pointer_bytes = load_or_zero<std::uint64_t>(*bytes, fields.PtrBytes.offset);
  const std::uint64_t needed = (mask.pointer_bytes / 8 + 7) / 8;
  if (mask.size == 0 || mask.size % 8 != 0 || mask.pointer_bytes > mask.size || needed > kMostMaskBytes)
    return std::nullopt;
  auto data = load_or_zero<process::Address>(*bytes, fields.GCData.offset);
  const auto flags = load_or_zero<std::uint8_t>(*bytes, fields.TFlag.offset);
  const auto kind = load_or_zero<std::uint8_t>(*bytes, fields.Kind_.offset);
  if (layout_.minor >= 24 ? (flags & kMaskOnDemand) != 0 : (kind & kProgramKind) != 0) {
    if (layout_.minor < 24) return mask;
    data = memory_.value<process::Address>(data).value_or(0);  // 0: nobody has asked for the mask yet
    if (data == 0) return mask;
  }
  mask.bits = memory_.block(data, needed);
  return mask;
}

const PointerMaps::TypeMask* PointerMaps::type_mask(process::Address type) {
  if (types_.size() >= kMostTypes) types_.clear();  // only a hostile target has so many
  auto [known, fresh] = types_.try_emplace(type);
  // A mask that is made only when it is needed may have been made since.
  const bool again = known->second && !known->second->bits && layout_.minor >= 24;
  if (fresh || again) known->second = read_type(type);
  return known->second ? &*known->second : nullptr;
}

std::optional<ElementType> PointerMaps::element_type(const SpanView& span, process::Address object) {
  if (layout_.heapArena.bitmap.present() || span.noscan() || span.element_size <= kLargestWithBits) return std::nullopt;
  const auto type = span.large() ? std::optional(span.large_type) : memory_.value<process::Address>(object);
  const TypeMask* mask = type && *type != 0 ? type_mask(*type) : nullptr;
  if (mask == nullptr) return std::nullopt;
  return ElementType{*type, mask->size, mask->pointer_bytes, span.large() ? 0 : kHeaderBytes};
}

PointerMaps::Words PointerMaps::from_type(const SpanView& span, process::Address object, std::uint64_t first_word,
                                          std::uint64_t count) {
  const auto type = element_type(span, object);
  const TypeMask* mask = type ? type_mask(type->address) : nullptr;
  if (mask == nullptr || !mask->bits) return std::nullopt;
  std::vector<bool> words(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::uint64_t offset = 8 * (first_word + i);
    if (offset < type->begin) continue;  // the header itself
    const std::uint64_t in_element = (offset - type->begin) % mask->size;
    words[i] = in_element < mask->pointer_bytes && bit_at(*mask->bits, in_element / 8);
  }
  return words;
}

}  // namespace gotrace::goruntime
