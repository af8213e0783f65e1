// What the function table says of pointers in a frame: runtime/stkframe.go, getStackMap (Go 1.16 to 1.27).
#include <algorithm>

#include "goruntime/pclntab.h"
#include "goruntime/pclntab_shape.h"

namespace gotrace::goruntime {
namespace {

constexpr std::uint32_t kPcDataStackMap = 1;  // PCDATA_StackMapIndex, internal/abi/symtab.go
constexpr std::uint8_t kArgumentMaps = 0;     // FUNCDATA_ArgsPointerMaps
constexpr std::uint8_t kLocalMaps = 1;        // FUNCDATA_LocalsPointerMaps
constexpr std::uint8_t kStackObjects = 2;     // FUNCDATA_StackObjects
constexpr std::uint64_t kMostObjects = 1 << 16;
constexpr std::uint64_t kMostWords = 1 << 20;
constexpr std::uint64_t kObjectSize = 16;  // runtime/stack.go, stackObjectRecord: {off, size, ptrBytes, gcdataoff}

}  // namespace

// runtime/symtab.go, stackmap: {n, nbit int32; bytedata}: n maps of nbit bits each.
std::optional<std::vector<bool>> PclnTable::stack_map(Bytes function, std::uint8_t which, std::int32_t index) const {
  const std::uint64_t at = function_data(function, which);
  const auto head = at != 0 ? source_.image(at, 8) : std::nullopt;
  if (!head) return std::nullopt;
  const auto count = load_or_zero<std::int32_t>(*head, 0);
  const auto bits = load_or_zero<std::int32_t>(*head, 4);
  if (count <= 0 || bits < 0 || static_cast<std::uint64_t>(bits) > kMostWords) return std::nullopt;
  if (bits == 0) return std::vector<bool>();
  if (index < 0 || index >= count) return std::nullopt;
  const std::uint64_t size = (static_cast<std::uint64_t>(bits) + 7) / 8;
  const auto map = source_.image(at + 8 + size * static_cast<std::uint64_t>(index), size);
  if (!map) return std::nullopt;
  std::vector<bool> words(static_cast<std::size_t>(bits));
  for (std::size_t i = 0; i < words.size(); ++i)
    words[i] = ((load_or_zero<std::uint8_t>(*map, i / 8) >> (i % 8)) & 1) != 0;
  return words;
}

std::optional<FrameMaps> PclnTable::frame_maps(std::uint64_t pc) const {
  const auto index = index_of(pc);
  // Up to Go 1.15 data of functions is numbered differently, up to 1.17 records of objects are others.
  if (!index || shape_->function_data_pointers) return std::nullopt;
  const Bytes data = function(*index);
  if (data.empty()) return std::nullopt;
  // "-1" before any call: the map of the function's entry.
  const std::int32_t which = std::max(0, pc_data(data, kPcDataStackMap, range(*index), pc).value_or(-1));
  FrameMaps maps;
  const auto delta = stack_delta(pc);
  if (!delta) return std::nullopt;
  if (*delta > 8) {  // there are locals, below the saved frame pointer
    auto locals = stack_map(data, kLocalMaps, which);
    if (!locals) return std::nullopt;
    maps.locals = std::move(*locals);
  }
  const auto arguments = load_or_zero<std::int32_t>(data, shape_->arguments);
  if (arguments < 0) return std::nullopt;  // of reflect's stubs: not known
  if (arguments > 0) {
    auto map = stack_map(data, kArgumentMaps, which);
    if (!map) return std::nullopt;
    maps.arguments = std::move(*map);
  }
  const std::uint64_t objects = function_data(data, kStackObjects);
  if (objects == 0) return maps;
  const auto count = source_.image(objects, 8);
  const std::uint64_t number = count ? load_or_zero<std::uint64_t>(*count, 0) : kMostObjects;
  const auto records = number < kMostObjects ? source_.image(objects + 8, number * kObjectSize) : std::nullopt;
  if (!records) return std::nullopt;
  for (std::uint64_t i = 0; i < number; ++i)
    maps.objects.push_back({load_or_zero<std::int32_t>(*records, i * kObjectSize),
                            load_or_zero<std::uint32_t>(*records, i * kObjectSize + 4)});
  return maps;
}

}  // namespace gotrace::goruntime
