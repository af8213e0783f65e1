#include "goruntime/module_data.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

namespace gotrace::goruntime {
namespace {

constexpr std::size_t kMostTables = 64;           // candidates that are followed up
constexpr std::size_t kChunk = 1 << 20;           // bytes of the target read at a time
constexpr std::uint64_t kModuleDataBytes = 1024;  // at least; 592 in the largest known version

struct Table {
  std::uint64_t address = 0;
  PclnHeader header;
};

// Program code has the magic numbers in it as well (debug/gosym): a header must be valid, and module data point to it.
void add_tables(Bytes bytes, std::uint64_t address, std::vector<Table>& tables) {
  const std::uint64_t first = (8 - address % 8) % 8;
  for (std::uint64_t at = first; at + kPclnHeaderSize <= bytes.size(); at += 8) {
    if (load_or_zero<std::uint32_t>(bytes, at + 4) != 0x08010000) continue;
    const auto header = parse_pcln_header(bytes.subspan(static_cast<std::size_t>(at)));
    if (header && tables.size() < kMostTables) tables.push_back({address + at, *header});
  }
}

std::vector<Table> find_tables(const process::ElfImage& image) {
  std::vector<Table> tables;
  for (const char* name : {".gopclntab", ".data.rel.ro.gopclntab"}) {
    const auto* section = image.section(name);
    const auto bytes = section == nullptr ? std::nullopt : image.at(section->address, kPclnHeaderSize);
    if (bytes) add_tables(*bytes, section->address, tables);
  }
  if (!tables.empty()) return tables;
  for (const auto& segment : image.segments()) add_tables(image.contents(segment), segment.address, tables);
  return tables;
}

// The prefix of moduledata is the same from 1.16 to 1.27; what follows depends on the version. The format of the table
// tells how far the layout row can be trusted when it is not the program's own version's.
const Layout& row_for(PclnFormat format, const Layout& layout) {
  bool exact = false;
  switch (format) {
    case PclnFormat::go12:
      return layout_for(15, exact);
    case PclnFormat::go116:
    case PclnFormat::go118:
      return layout_for(19, exact);
    case PclnFormat::go120:
      return layout.minor >= 21 ? layout : layout_for(21, exact);
  }
  return layout;
}

class Candidate {
 public:
  Candidate(Bytes bytes, const Table& table, std::uint64_t bias, const Layout& layout)
      : bytes_(bytes), table_(table), bias_(bias), fields_(row_for(table.header.format, layout).moduledata) {}

  [[nodiscard]] std::optional<ModuleData> read(const process::ElfImage& image) const {
    if (!counts_agree()) return std::nullopt;
    ModuleData module;
    module.table_address = table_.address;
    module.format = table_.header.format;
    module.text = pointer(fields_.text);
    module.text_end = pointer(fields_.etext);
    const std::uint64_t lowest = pointer(fields_.minpc);
    const std::uint64_t highest = pointer(fields_.maxpc);
    if (module.text > lowest || lowest > highest || lowest >= module.text_end) return std::nullopt;
    module.table_size =
        pointer(fields_.pclntable) + load_or_zero<std::uint64_t>(bytes_, fields_.pclntable.offset + 8) - table_.address;
    if (!image.at(table_.address, module.table_size)) return std::nullopt;
    if (fields_.gofunc.present()) module.go_func = pointer(fields_.gofunc);
    module.noptrdata = range(fields_.noptrdata, fields_.enoptrdata);
    module.data = range(fields_.data, fields_.edata);
    module.bss = range(fields_.bss, fields_.ebss);
    module.noptrbss = range(fields_.noptrbss, fields_.enoptrbss);
    for (const DataRange& part : {module.noptrdata, module.data, module.bss, module.noptrbss}) {
      if (!lies_in(image, part)) return std::nullopt;
    }
    return module;
  }

 private:
  [[nodiscard]] std::uint64_t word(const Field& field) const {
    return load_or_zero<std::uint64_t>(bytes_, field.offset);
  }
  [[nodiscard]] std::uint64_t pointer(const Field& field) const { return word(field) - bias_; }
  [[nodiscard]] DataRange range(const Field& begin, const Field& end) const { return {pointer(begin), pointer(end)}; }

  // ftab has an entry more than there are functions; before 1.16 the module data counted them without it, too.
  [[nodiscard]] bool counts_agree() const {
    const std::uint64_t entries = word(fields_.ftab_len);
    const std::uint64_t functions = table_.header.functions;
    return entries == functions + 1 || (table_.header.format == PclnFormat::go12 && entries == functions);
  }

  static bool lies_in(const process::ElfImage& image, const DataRange& part) {
    if (part.begin > part.end) return false;
    return part.begin == part.end || std::ranges::any_of(image.segments(), [&part](const process::Segment& segment) {
             return part.begin >= segment.address && part.end - segment.address <= segment.memory_size;
           });
  }

  Bytes bytes_;
  const Table& table_;
  std::uint64_t bias_;
  const decltype(Layout::moduledata)& fields_;
};

// Looks for a pointer to one of `tables` in `bytes`, which lie at the link-time `address`.
std::optional<ModuleData> search(const process::ElfImage& image, Bytes bytes, std::uint64_t address,
                                 const std::vector<Table>& tables, std::uint64_t bias, const Layout& layout) {
  for (std::uint64_t at = (8 - address % 8) % 8; at + 8 <= bytes.size(); at += 8) {
    const auto word = load_or_zero<std::uint64_t>(bytes, at);
    for (const Table& table : tables) {
      if (word != table.address + bias) continue;
      auto module = Candidate(bytes.subspan(static_cast<std::size_t>(at)), table, bias, layout).read(image);
      if (!module) continue;
      module->address = address + at;
      return module;
    }
  }
  return std::nullopt;
}

// The file-backed part of a segment as it is in the process, in chunks that overlap by the size of a module data.
std::optional<ModuleData> search_live(const process::ElfImage& image, process::RemoteMemory& memory,
                                      const process::Segment& segment, const std::vector<Table>& tables,
                                      std::uint64_t bias, const Layout& layout) {
  std::vector<std::byte> chunk(kChunk + kModuleDataBytes);
  const std::uint64_t size = image.contents(segment).size();
  for (std::uint64_t at = 0; at < size; at += kChunk) {
    const auto part =
        std::span(chunk).first(static_cast<std::size_t>(std::min<std::uint64_t>(chunk.size(), size - at)));
    if (!memory.read(segment.address + bias + at, part)) continue;
    if (auto module = search(image, part, segment.address + at, tables, bias, layout)) return module;
  }
  return std::nullopt;
}

}  // namespace

bool ModuleData::is_global(std::uint64_t address_in_question) const {
  return std::ranges::any_of(std::array{noptrdata, data, bss, noptrbss}, [address_in_question](const DataRange& part) {
    return address_in_question >= part.begin && address_in_question < part.end;
  });
}

Result<ModuleData> find_module_data(const process::ElfImage& image, process::RemoteMemory& memory, std::uint64_t bias,
                                    const Layout& layout) {
  const auto tables = find_tables(image);
  if (tables.empty()) return failure("its function table (pclntab) is damaged or missing: no valid header in the file");
  for (const auto& segment : image.segments()) {
    if (!segment.writable) continue;
    const auto module = image.position_independent()
                            ? search_live(image, memory, segment, tables, bias, layout)
                            : search(image, image.contents(segment), segment.address, tables, bias, layout);
    if (module) return *module;
  }
  return failure("its function table (pclntab) is damaged: no valid module data points to it");
}

}  // namespace gotrace::goruntime
