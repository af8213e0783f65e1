#include "goruntime/type_names.h"

#include <algorithm>

namespace gotrace::goruntime {
namespace {

constexpr std::uint64_t kLongestName = 200;
constexpr std::uint8_t kExtraStar = 1 << 1;  // abi.TFlagExtraStar: the name stands with a '*' before it

bool printable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= ' ' && c != 0x7f; });
}

}  // namespace

// internal/abi/type.go, Go 1.17 to 1.27: a name is a byte of flags, its length as a varint, and its bytes;
// _type.Str is its offset from moduledata.types.
std::string type_name(const Program& program, process::Address type) {
  const auto& fields = program.layout()._type;
  const auto& module_fields = program.layout().moduledata;
  const auto module = program.global("firstmoduledata");
  auto& memory = program.target().memory();
  if (!module || !module_fields.types.present() || !fields.Str.present() || !fields.TFlag.present()) return {};
  const auto begin = memory.value<process::Address>(*module + module_fields.types.offset);
  const auto end = memory.value<process::Address>(*module + module_fields.etypes.offset);
  if (!begin || !end || type < *begin || type >= *end) return {};
  const auto offset = memory.value<std::int32_t>(type + fields.Str.offset);
  const auto flags = memory.value<std::uint8_t>(type + fields.TFlag.offset);
  if (!offset || !flags || *offset <= 0 || static_cast<std::uint64_t>(*offset) >= *end - *begin) return {};
  const process::Address name = *begin + static_cast<std::uint64_t>(*offset);
  const auto head = memory.value<std::uint8_t>(name + 1);
  const auto next = memory.value<std::uint8_t>(name + 2);
  if (!head || !next) return {};
  const bool two = (*head & 0x80) != 0;
  const std::uint64_t length = two ? (*head & 0x7fU) + ((*next & 0x7fU) << 7) : *head;
  const auto bytes = memory.block(name + (two ? 3 : 2), std::min(length, kLongestName));
  if (!bytes) return {};
  std::string text(reinterpret_cast<const char*>(bytes->data()), bytes->size());
  if ((*flags & kExtraStar) != 0 && text.starts_with('*')) text.erase(0, 1);
  return printable(text) ? text : std::string();
}

}  // namespace gotrace::goruntime
