#include "goruntime/symbol_table.h"

#include <elf.h>
#include <fmt/format.h>

#include "base/byte_reader.h"

namespace gotrace::goruntime {
namespace {

constexpr std::size_t kLongestName = 1024;

std::optional<Bytes> contents(const process::ElfImage& image, std::string_view name) {
  const process::Section* section = image.section(name);
  if (section == nullptr || section->type == SHT_NOBITS) return std::nullopt;
  return slice(image.file(), section->file_offset, section->size);
}

}  // namespace

std::string symbol_at(const process::ElfImage& image, std::uint64_t address) {
  const auto table = contents(image, ".symtab");
  const auto names = contents(image, ".strtab");
  if (!table || !names) return {};
  for (std::uint64_t at = 0; at + sizeof(Elf64_Sym) <= table->size(); at += sizeof(Elf64_Sym)) {
    const auto symbol = load<Elf64_Sym>(*table, at);
    if (!symbol || ELF64_ST_TYPE(symbol->st_info) != STT_OBJECT) continue;
    if (address < symbol->st_value || address - symbol->st_value >= symbol->st_size) continue;
    const auto name = c_string(*names, symbol->st_name, kLongestName);
    if (!name) continue;
    const std::uint64_t inside = address - symbol->st_value;
    return inside == 0 ? std::string(*name) : fmt::format("{}+{:#x}", *name, inside);
  }
  return {};
}

std::vector<DataRange> variables_of(const process::ElfImage& image) {
  std::vector<DataRange> ranges;
  const auto table = contents(image, ".symtab");
  for (std::uint64_t at = 0; table && at + sizeof(Elf64_Sym) <= table->size(); at += sizeof(Elf64_Sym)) {
    const auto symbol = load<Elf64_Sym>(*table, at);
    if (!symbol || ELF64_ST_TYPE(symbol->st_info) != STT_OBJECT) continue;
    const std::uint64_t end = symbol->st_value + symbol->st_size;
    if (end > symbol->st_value) ranges.push_back({symbol->st_value, end});
  }
  return ranges;
}

}  // namespace gotrace::goruntime
