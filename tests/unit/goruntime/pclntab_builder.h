// Builds function tables of every format, for tests: cmd/link/internal/ld/pcln.go in a few lines.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "goruntime/pclntab.h"

namespace gotrace::testing {

struct Step {  // `value` up to (not including) `until`, an offset from the function's entry
  std::uint32_t until = 0;
  std::int32_t value = 0;
};

struct InlineCall {
  std::string name;
  std::uint8_t function_id = 0;
  std::int32_t parent_pc = 0;
};

struct Function {
  std::string name;
  std::uint64_t size = 0;
  std::uint8_t function_id = 0;
  std::vector<Step> stack, files, lines, inline_index;
  std::vector<InlineCall> inline_tree;
};

// A table and the inline trees beside it.
struct Built {
  std::vector<std::byte> table;
  std::vector<std::byte> trees;  // at kTrees
};

constexpr std::uint64_t kText = 0x401000;
constexpr std::uint64_t kTrees = 0x900000;

class PclntabBuilder {
 public:
  PclntabBuilder(goruntime::PclnFormat format, std::vector<std::string> files, std::vector<Function> functions)
      : format_(format), files_(std::move(files)), functions_(std::move(functions)) {}

  Built build() { return format_ == goruntime::PclnFormat::go12 ? build_one_piece() : build_parts(); }

 private:
  using Buffer = std::vector<std::byte>;

  template <typename T>
  static void put(Buffer& buffer, T value) {
    const auto* bytes = reinterpret_cast<const std::byte*>(&value);
    buffer.insert(buffer.end(), bytes, bytes + sizeof value);
  }
  static void align(Buffer& buffer, std::size_t to) { buffer.resize((buffer.size() + to - 1) / to * to); }
  static std::uint32_t add_string(Buffer& buffer, const std::string& text) {
    const auto offset = static_cast<std::uint32_t>(buffer.size());
    for (const char c : text) put(buffer, c);
    put(buffer, '\0');
    return offset;
  }
  static void add_varint(Buffer& buffer, std::uint32_t value) {
    for (; value >= 0x80; value >>= 7) put(buffer, static_cast<std::uint8_t>(value | 0x80));
    put(buffer, static_cast<std::uint8_t>(value));
  }
  static std::uint32_t add_steps(Buffer& buffer, const std::vector<Step>& steps) {
    if (steps.empty()) return 0;
    const auto offset = static_cast<std::uint32_t>(buffer.size());
    std::int32_t value = -1;
    std::uint32_t pc = 0;
    for (const Step& step : steps) {
      const std::int32_t delta = step.value - value;
      add_varint(buffer, static_cast<std::uint32_t>(delta) << 1 ^ static_cast<std::uint32_t>(delta >> 31));
      add_varint(buffer, step.until - pc);
      value = step.value;
      pc = step.until;
    }
    put(buffer, std::uint8_t{0});
    return offset;
  }

  [[nodiscard]] bool wide() const { return format_ < goruntime::PclnFormat::go118; }
  [[nodiscard]] std::uint64_t entry(std::size_t index) const {
    std::uint64_t at = kText;
    for (std::size_t i = 0; i < index; ++i) at += functions_[i].size;
    return at;
  }

  // `position`: where in the table `out` begins, for the alignment of pointers.
  void add_function(Buffer& out, std::size_t position, std::size_t index, Buffer& names, Buffer& pc_tables,
                    Buffer& trees) {
    const Function& function = functions_[index];
    const std::uint32_t name = add_string(names, function.name);
    std::uint64_t tree = 0;
    if (!function.inline_tree.empty()) {
      align(trees, 4);
      tree = kTrees + trees.size();
      for (const InlineCall& call : function.inline_tree) add_call(trees, call, add_string(names, call.name));
    }
    std::uint32_t tables[4] = {add_steps(pc_tables, function.stack), add_steps(pc_tables, function.files),
                               add_steps(pc_tables, function.lines), add_steps(pc_tables, function.inline_index)};
    if (wide())
      put(out, entry(index));
    else
      put(out, static_cast<std::uint32_t>(entry(index) - kText));
    for (const std::uint32_t word : {name, 24U, 0U, tables[0], tables[1], tables[2], 3U}) put(out, word);
    if (format_ != goruntime::PclnFormat::go12) put(out, 0U);   // cuOffset
    if (format_ == goruntime::PclnFormat::go120) put(out, 1U);  // startLine
    const bool first = format_ == goruntime::PclnFormat::go12;
    const std::uint8_t data_count = first ? 5 : 4;
    for (const std::uint8_t byte : {function.function_id, std::uint8_t{0}, std::uint8_t{0}, data_count}) put(out, byte);
    for (const std::uint32_t word : {0U, 0U, tables[3]}) put(out, word);  // pcdata
    while (wide() && (position + out.size()) % 8 != 0) put(out, std::uint8_t{0});
    for (int i = 0; i + 1 < data_count; ++i) add_function_data(out, 0);
    add_function_data(out, tree);
  }
  void add_function_data(Buffer& out, std::uint64_t address) const {
    if (wide()) {
      put(out, address);
    } else {
      put(out, address == 0 ? 0xffffffffU : static_cast<std::uint32_t>(address - kTrees));
    }
  }
  void add_call(Buffer& trees, const InlineCall& call, std::uint32_t name) const {
    if (format_ == goruntime::PclnFormat::go120) {
      put(trees, std::uint32_t{call.function_id});
      put(trees, name);
      put(trees, call.parent_pc);
      put(trees, 1);
      return;
    }
    put(trees, std::int16_t{-1});
    put(trees, std::uint16_t{call.function_id});
    put(trees, 0);
    put(trees, 0);
    put(trees, name);
    put(trees, call.parent_pc);
  }

  void add_header(Buffer& table) const {
    constexpr std::uint32_t kMagics[] = {0xfffffffb, 0xfffffffa, 0xfffffff0, 0xfffffff1};
    put(table, kMagics[static_cast<std::size_t>(format_)]);
    put(table, 0x08010000U);
    put(table, static_cast<std::uint64_t>(functions_.size()));
  }

  // ftab and the _func structs; offsets count from `base`, where the ftab begins.
  Buffer function_part(std::size_t position, std::size_t base, Buffer& names, Buffer& pc_tables, Buffer& trees,
                       std::size_t extra) {
    Buffer entries;
    Buffer data;
    const std::size_t entry_size = wide() ? 16 : 8;
    const std::size_t entries_size = functions_.size() * entry_size + entry_size / 2 + extra;
    const std::size_t data_at = (entries_size + 7) / 8 * 8;
    for (std::size_t i = 0; i <= functions_.size(); ++i) {
      if (wide())
        put(entries, entry(i));
      else
        put(entries, static_cast<std::uint32_t>(entry(i) - kText));
      if (i == functions_.size()) break;
      align(data, 8);
      const std::uint64_t offset = base + data_at + data.size();
      if (wide())
        put(entries, offset);
      else
        put(entries, static_cast<std::uint32_t>(offset));
      Buffer one;
      add_function(one, position + data_at + data.size(), i, names, pc_tables, trees);
      data.insert(data.end(), one.begin(), one.end());
    }
    entries.resize(data_at);
    entries.insert(entries.end(), data.begin(), data.end());
    return entries;
  }

  // Go 1.15: everything counts from the table's start; the file table follows the function entries.
  Built build_one_piece() {
    Built built;
    constexpr std::size_t kStrings = 4096;  // where names and pc tables are put
    Buffer strings;
    put(strings, std::uint8_t{0});
    strings.resize(kStrings);
    std::vector<std::uint32_t> files{static_cast<std::uint32_t>(files_.size() + 1)};
    for (const std::string& file : files_) files.push_back(add_string(strings, file));
    // Names and pc tables share the one space.
    Buffer part = function_part(16, 16, strings, strings, built.trees, 4);
    const std::size_t after_entries = functions_.size() * 16 + 8;
    add_header(built.table);
    built.table.insert(built.table.end(), part.begin(), part.end());
    const auto files_at = static_cast<std::uint32_t>(built.table.size());
    std::memcpy(built.table.data() + 16 + after_entries, &files_at, 4);
    for (const std::uint32_t file : files) put(built.table, file);
    built.table.resize(kStrings);
    built.table.insert(built.table.end(), strings.begin() + kStrings, strings.end());
    return built;
  }

  Built build_parts() {
    Built built;
    Buffer names, units, files, pc_tables;
    put(names, std::uint8_t{0});
    put(pc_tables, std::uint8_t{0});
    for (const std::string& file : files_) put(units, add_string(files, file));
    Buffer* const parts[] = {&names, &units, &files, &pc_tables};
    const std::size_t header_size = format_ == goruntime::PclnFormat::go116 ? 64 : 72;
    Buffer functions = function_part(0, 0, names, pc_tables, built.trees, 0);  // every part begins at a multiple of 8
    add_header(built.table);
    put(built.table, static_cast<std::uint64_t>(files_.size()));
    if (format_ != goruntime::PclnFormat::go116) put(built.table, std::uint64_t{0});
    std::uint64_t at = header_size;
    for (Buffer* part : parts) {
      align(*part, 8);
      put(built.table, at);
      at += part->size();
    }
    put(built.table, at);
    for (const Buffer* part : parts) built.table.insert(built.table.end(), part->begin(), part->end());
    built.table.insert(built.table.end(), functions.begin(), functions.end());
    return built;
  }

  goruntime::PclnFormat format_;
  std::vector<std::string> files_;
  std::vector<Function> functions_;
};

constexpr std::uint8_t kWrapper = 23;

// main.outer inlines main.middle, which inlines main.inner; main.wrap is a wrapper; two functions are called main.twin,
// the first a wrapper.
inline std::vector<Function> sample_functions() {
  return {
      {"main.outer",
       0x100,
       0,
       {{0x10, 0}, {0x100, 0x38}},
       {{0x40, 0}, {0x60, 1}, {0x100, 0}},
       {{0x20, 10}, {0x40, 12}, {0x60, 77}, {0x80, 33}, {0x100, 15}},
       {{0x40, -1}, {0x60, 1}, {0x80, 0}, {0x100, -1}},
       {{"main.middle", 0, 0x30}, {"main.inner", 0, 0x70}}},
      {"main.wrap",
       0x20,
       kWrapper,
       {{0x20, 8}},
       {{0x20, 0}},
       {{0x20, 1}},
       {{0x10, 0}, {0x20, -1}},
       {{"main.real", 0, 0x18}}},
      {"main.twin", 0x10, kWrapper, {}, {{0x10, 0}}, {{0x10, 2}}, {}, {}},
      {"main.twin", 0x10, 0, {}, {{0x10, 0}}, {{0x10, 3}}, {}, {}},
      {"runtime.goexit", 0x10, 7, {{0x10, 0}}, {{0x10, 2}}, {{0x10, 1571}}, {}, {}},
  };
}

inline std::vector<std::string> sample_files() { return {"/src/outer.go", "/src/inner.go", "/go/src/runtime/asm.s"}; }

inline Built sample_table(goruntime::PclnFormat format) {
  auto files = sample_files();
  // The file numbers of Go 1.15 count from 1.
  auto functions = sample_functions();
  if (format == goruntime::PclnFormat::go12) {
    for (Function& function : functions) {
      for (Step& step : function.files) ++step.value;
    }
  }
  return PclntabBuilder(format, std::move(files), std::move(functions)).build();
}

// `built` must outlive the source.
inline goruntime::PclnSource source_of(const Built& built) {
  goruntime::PclnSource source;
  source.table = built.table;
  source.text = kText;
  source.go_func = kTrees;
  source.wrapper_id = kWrapper;
  source.image = [&built](std::uint64_t address, std::uint64_t size) -> std::optional<Bytes> {
    if (address < kTrees) return std::nullopt;
    return slice(Bytes(built.trees), address - kTrees, size);
  };
  return source;
}

}  // namespace gotrace::testing
