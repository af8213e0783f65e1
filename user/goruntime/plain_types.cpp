#include "goruntime/plain_types.h"

#include <algorithm>

namespace gotrace::goruntime {
namespace {

constexpr std::uint64_t kMostTypes = 64U << 20;  // bytes of descriptors
constexpr std::uint64_t kLargestType = 1ULL << 40;
constexpr std::uint8_t kKindMask = 31;  // internal/abi/type.go, KindMask; runtime/typekind.go before Go 1.21
constexpr std::uint8_t kArray = 17;
constexpr std::uint8_t kStruct = 25;

}  // namespace

std::vector<std::uint64_t> large_plain_types(const Program& program, std::uint64_t least) {
  const auto& module_fields = program.layout().moduledata;
  const auto& type = program.layout()._type;
  const auto module = program.global("firstmoduledata");
  auto& memory = program.target().memory();
  if (!module || !module_fields.types.present() || type.size == 0) return {};
  const auto begin = memory.value<process::Address>(*module + module_fields.types.offset);
  const auto end = memory.value<process::Address>(*module + module_fields.etypes.offset);
  if (!begin || !end || *end <= *begin) return {};
  const auto bytes = memory.block(*begin, std::min(*end - *begin, kMostTypes));
  if (!bytes) return {};
  const Field& size_field = type.Size_.present() ? type.Size_ : type.size_;
  const Field& pointers_field = type.PtrBytes.present() ? type.PtrBytes : type.ptrdata;
  const Field& kind_field = type.Kind_.present() ? type.Kind_ : type.kind;
  std::vector<std::uint64_t> sizes;
  for (std::uint64_t at = (8 - *begin % 8) % 8; at + type.size <= bytes->size(); at += 8) {
    const auto size = load_or_zero<std::uint64_t>(*bytes, at + size_field.offset);
    if (size < least || size > kLargestType) continue;
    const auto kind = load_or_zero<std::uint8_t>(*bytes, at + kind_field.offset) & kKindMask;
    if (load_or_zero<std::uint64_t>(*bytes, at + pointers_field.offset) == 0 && (kind == kArray || kind == kStruct))
      sizes.push_back(size);
  }
  std::ranges::sort(sizes);
  sizes.erase(std::unique(sizes.begin(), sizes.end()), sizes.end());
  return sizes;
}

bool may_be_one_of(const std::vector<std::uint64_t>& sizes, std::uint64_t object_size) {
  const auto largest = std::ranges::upper_bound(sizes, object_size);
  return largest != sizes.begin() && object_size - *std::prev(largest) <= object_size / 8;
}

}  // namespace gotrace::goruntime
