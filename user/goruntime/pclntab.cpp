#include "goruntime/pclntab.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <string>

#include "goruntime/pclntab_shape.h"

namespace gotrace::goruntime {
namespace {

constexpr std::uint64_t kMostFunctions = 5'000'000;
constexpr std::size_t kLongestName = 64 << 10;  // instantiated generic functions have long ones
constexpr std::string_view kUnknown = "?";

std::optional<PclnFormat> format_of(std::uint32_t magic) {
  switch (magic) {
    case 0xfffffffb:
      return PclnFormat::go12;  // 1.2 to 1.15
    case 0xfffffffa:
      return PclnFormat::go116;  // 1.16, 1.17
    case 0xfffffff0:
      return PclnFormat::go118;  // 1.18, 1.19
    case 0xfffffff1:
      return PclnFormat::go120;  // 1.20 to 1.27 at least
    default:
      return std::nullopt;
  }
}

std::uint32_t hash_of(std::string_view name) { return static_cast<std::uint32_t>(std::hash<std::string_view>{}(name)); }

Error damaged(std::string_view how) { return failure(fmt::format("its function table (pclntab) is damaged: {}", how)); }

}  // namespace

std::optional<PclnHeader> parse_pcln_header(Bytes table) {
  const auto magic = load<std::uint32_t>(table, 0);
  const auto rest = load<std::uint32_t>(table, 4);  // two zeros, instruction quantum 1 (amd64), pointer size 8
  const auto functions = load<std::uint64_t>(table, 8);
  if (!magic || !rest || !functions || *rest != 0x08010000) return std::nullopt;
  const auto format = format_of(*magic);
  if (!format || *functions == 0 || *functions > kMostFunctions) return std::nullopt;
  PclnHeader header{.format = *format, .functions = *functions};
  if (*format == PclnFormat::go12) return header;
  ByteReader reader(table);
  // nfiles follows; then textStart from 1.18 on (0 since 1.26).
  if (!reader.skip(*format == PclnFormat::go116 ? 24 : 32)) return std::nullopt;
  std::uint64_t previous = 0;
  for (std::uint64_t* offset :
       {&header.names, &header.units, &header.files, &header.pc_tables, &header.function_data}) {
    const auto value = reader.read<std::uint64_t>();
    if (!value || *value < previous) return std::nullopt;
    *offset = previous = *value;
  }
  return header;
}

// The constants: runtime/symtab.go 1.15, 1.19; internal/abi/symtab.go 1.22, 1.25. 1.16 and 1.17 were not looked at.
std::uint8_t wrapper_function_id(int minor) {
  if (minor == 15) return 22;
  if (minor >= 18 && minor <= 21) return 21;
  if (minor >= 22 && minor <= 24) return 22;
  if (minor >= 25) return 23;
  return 0xff;
}

const PclnTable::Shape& PclnTable::shape_of(PclnFormat format) {
  static constexpr Shape kGo12{true, 8, 12, 20, 24, 28, 32, 0, 36, 39, 40, true, 4, 20, 2, 12, 16};
  static constexpr Shape kGo116{true, 8, 12, 20, 24, 28, 32, 36, 40, 43, 44, true, 3, 20, 2, 12, 16};
  static constexpr Shape kGo118{false, 4, 8, 16, 20, 24, 28, 32, 36, 39, 40, false, 3, 20, 2, 12, 16};
  static constexpr Shape kGo120{false, 4, 8, 16, 20, 24, 28, 32, 40, 43, 44, false, 3, 16, 0, 4, 8};
  switch (format) {
    case PclnFormat::go12:
      return kGo12;
    case PclnFormat::go116:
      return kGo116;
    case PclnFormat::go118:
      return kGo118;
    case PclnFormat::go120:
      return kGo120;
  }
  return kGo120;
}

Result<std::unique_ptr<PclnTable>> PclnTable::open(PclnSource source) {
  std::unique_ptr<PclnTable> table(new PclnTable(std::move(source)));
  if (!table->source_.owned.empty()) table->source_.table = table->source_.owned;
  const auto header = parse_pcln_header(table->source_.table);
  if (!header) return damaged("it has no valid header");
  table->shape_ = &shape_of(header->format);
  table->count_ = static_cast<std::size_t>(header->functions);
  if (auto placed = table->place_tables(*header); !placed) return placed.error();
  if (auto ordered = table->check_order(); !ordered) return ordered.error();
  return table;
}

Status PclnTable::place_tables(const PclnHeader& header) {
  const Bytes table = source_.table;
  const auto tail = [table](std::uint64_t offset) { return slice(table, offset, 0) ? table.subspan(offset) : Bytes{}; };
  const std::uint64_t entry_size = shape_->wide_entries ? 16 : 8;
  // One entry a function, and the end of the last one.
  const std::uint64_t entries_size = count_ * entry_size + entry_size / 2;
  if (header.format == PclnFormat::go12) {
    names_ = pc_tables_ = function_data_ = table;
    entries_ = slice(table, 16, entries_size).value_or(Bytes{});
    const auto files = load<std::uint32_t>(table, 16 + entries_size);
    if (files) files_ = tail(*files);
  } else {
    names_ = tail(header.names);
    units_ = tail(header.units);
    files_ = tail(header.files);
    pc_tables_ = tail(header.pc_tables);
    function_data_ = tail(header.function_data);
    entries_ = slice(function_data_, 0, entries_size).value_or(Bytes{});
  }
  if (entries_.empty()) return damaged(fmt::format("{} functions do not fit into its {} bytes", count_, table.size()));
  return success();
}

Status PclnTable::check_order() const {
  for (std::size_t i = 0; i < count_; ++i) {
    if (entry(i) > entry(i + 1)) return damaged(fmt::format("function {} of {} is out of order", i, count_));
  }
  return success();
}

std::uint64_t PclnTable::entry(std::size_t index) const {
  if (shape_->wide_entries) return load_or_zero<std::uint64_t>(entries_, index * 16) - source_.pointer_bias;
  return source_.text + load_or_zero<std::uint32_t>(entries_, index * 8);
}

Bytes PclnTable::function(std::size_t index) const {
  const std::uint64_t offset = shape_->wide_entries ? load_or_zero<std::uint64_t>(entries_, index * 16 + 8)
                                                    : load_or_zero<std::uint32_t>(entries_, index * 8 + 4);
  if (!slice(function_data_, offset, shape_->size)) return {};
  return function_data_.subspan(static_cast<std::size_t>(offset));
}

std::string_view PclnTable::name_at(std::uint64_t offset) const {
  const auto name = c_string(names_, offset, kLongestName);
  return name && !name->empty() ? *name : kUnknown;
}

FunctionRange PclnTable::range(std::size_t index) const {
  const Bytes data = function(index);
  const std::uint64_t begin = entry(index);
  const std::uint64_t end = entry(index + 1);
  if (data.empty()) return {begin, end, kUnknown, 0};
  return {begin, end, name_at(load_or_zero<std::uint32_t>(data, shape_->name)),
          load_or_zero<std::uint8_t>(data, shape_->function_id)};
}

std::optional<std::size_t> PclnTable::index_of(std::uint64_t pc) const {
  if (pc < entry(0) || pc >= entry(count_)) return std::nullopt;
  std::size_t low = 0;  // entry(low) <= pc < entry(high)
  std::size_t high = count_;
  while (high - low > 1) {
    const std::size_t middle = low + (high - low) / 2;
    (entry(middle) <= pc ? low : high) = middle;
  }
  return low;
}

void PclnTable::build_index() const {
  index_.reserve(count_);
  for (std::size_t i = 0; i < count_; ++i) index_.emplace_back(hash_of(range(i).name), static_cast<std::uint32_t>(i));
  std::ranges::sort(index_);
}

std::optional<FunctionRange> PclnTable::find(std::string_view name) const {
  std::call_once(indexed_, [this] { build_index(); });
  const std::uint32_t hash = hash_of(name);
  std::optional<FunctionRange> best;
  for (auto at = std::ranges::lower_bound(index_, std::pair(hash, 0U)); at != index_.end() && at->first == hash; ++at) {
    const FunctionRange candidate = range(at->second);
    if (candidate.name != name) continue;
    if (candidate.function_id != source_.wrapper_id) return candidate;
    if (!best) best = candidate;
  }
  return best;
}

std::vector<FunctionRange> PclnTable::find_prefix(std::string_view prefix) const {
  std::vector<FunctionRange> found;
  for (std::size_t i = 0; i < count_; ++i) {
    const FunctionRange candidate = range(i);
    if (candidate.name.starts_with(prefix)) found.push_back(candidate);
  }
  return found;
}

std::optional<FunctionRange> PclnTable::containing(std::uint64_t pc) const {
  const auto index = index_of(pc);
  if (!index) return std::nullopt;
  return range(*index);
}

}  // namespace gotrace::goruntime
