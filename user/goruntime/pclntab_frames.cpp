// What the function table says of one program counter: lines, inlined calls, stack use.
#include <algorithm>
#include <string>

#include "goruntime/pclntab.h"
#include "goruntime/pclntab_shape.h"

namespace gotrace::goruntime {
namespace {

constexpr std::uint32_t kPcDataInlineTree = 2;  // PCDATA_InlTreeIndex, 1.15 to 1.27
constexpr std::uint64_t kMostSteps = 1 << 20;   // of one pc table
constexpr std::size_t kDeepestInlining = 128;
constexpr std::uint32_t kNoFunctionData = 0xffffffff;
constexpr std::string_view kUnknown = "?";

// A step of a pc table, cmd/internal/obj/pcln.go: a varint of 32 bits at most.
std::optional<std::uint32_t> varint(ByteReader& reader) {
  std::uint32_t value = 0;
  for (unsigned shift = 0; shift < 35; shift += 7) {
    const auto byte = reader.read<std::uint8_t>();
    if (!byte) return std::nullopt;
    value |= (*byte & 0x7fU) << shift;
    if (*byte < 0x80) return value;
  }
  return std::nullopt;
}

std::uint32_t zigzag(std::uint32_t value) { return (value & 1) != 0 ? ~(value >> 1) : value >> 1; }

}  // namespace

// runtime/symtab.go, pcvalue and step. Every step but the first has a value delta that is not 0; it ends with the
// function. The instruction quantum is 1 on amd64.
std::optional<std::int32_t> PclnTable::pc_value(std::uint32_t table, const FunctionRange& function,
                                                std::uint64_t pc) const {
  if (table == 0 || table >= pc_tables_.size()) return std::nullopt;
  ByteReader reader(pc_tables_.subspan(table));
  std::uint32_t value = 0xffffffff;  // -1; unsigned, as hostile deltas may overflow
  std::uint64_t reached = function.entry;
  const std::uint64_t steps = std::min(kMostSteps, function.end - function.entry);
  for (std::uint64_t i = 0; i < steps; ++i) {
    const auto value_delta = varint(reader);
    if (!value_delta || (*value_delta == 0 && i > 0)) return std::nullopt;
    const auto pc_delta = varint(reader);
    if (!pc_delta) return std::nullopt;
    value += zigzag(*value_delta);
    reached += *pc_delta;
    if (pc < reached) return static_cast<std::int32_t>(value);
  }
  return std::nullopt;
}

std::optional<std::int32_t> PclnTable::pc_data(Bytes function, std::uint32_t which, const FunctionRange& range,
                                               std::uint64_t pc) const {
  if (which >= load_or_zero<std::uint32_t>(function, shape_->pc_data_count)) return std::nullopt;
  const auto table = load<std::uint32_t>(function, shape_->size + 4ULL * which);
  if (!table) return std::nullopt;
  return pc_value(*table, range, pc);
}

std::uint64_t PclnTable::function_data(Bytes function, std::uint8_t which) const {
  if (!source_.image || which >= load_or_zero<std::uint8_t>(function, shape_->function_data_count)) return 0;
  const std::uint64_t pc_data_count = load_or_zero<std::uint32_t>(function, shape_->pc_data_count);
  std::uint64_t offset = shape_->size + 4 * pc_data_count;
  if (shape_->function_data_pointers) {
    // Aligned to 8 in memory; the table itself is aligned to 32 by the linker.
    const auto place = static_cast<std::uint64_t>(function.data() - source_.table.data()) + offset;
    offset += (8 - place % 8) % 8;
    const auto pointer = load<std::uint64_t>(function, offset + 8ULL * which);
    return pointer.value_or(0) == 0 ? 0 : *pointer - source_.pointer_bias;
  }
  const auto from_go_func = load<std::uint32_t>(function, offset + 4ULL * which);
  if (!from_go_func || *from_go_func == kNoFunctionData || source_.go_func == 0) return 0;
  return source_.go_func + *from_go_func;
}

std::optional<PclnTable::Inlined> PclnTable::inlined_call(std::uint64_t tree, std::int32_t index) const {
  const auto call = source_.image(tree + std::uint64_t{shape_->inlined_size} * static_cast<std::uint32_t>(index),
                                  shape_->inlined_size);
  if (!call) return std::nullopt;
  return Inlined{name_at(load_or_zero<std::uint32_t>(*call, shape_->inlined_name)),
                 load_or_zero<std::uint8_t>(*call, shape_->inlined_function_id),
                 load_or_zero<std::int32_t>(*call, shape_->inlined_parent_pc)};
}

std::string_view PclnTable::file_name(Bytes function, std::int32_t number) const {
  if (number < 0) return kUnknown;
  auto index = static_cast<std::uint64_t>(number);
  std::optional<std::uint32_t> offset;
  if (shape_->unit == 0) {
    offset = load<std::uint32_t>(files_, 4 * index);
  } else {
    index += load_or_zero<std::uint32_t>(function, shape_->unit);
    offset = load<std::uint32_t>(units_, 4 * index);
  }
  if (!offset) return kUnknown;
  // Go 1.15: the file table is numbers only, the names stand among the functions' names.
  const auto name = c_string(shape_->unit == 0 ? names_ : files_, *offset);
  return name && !name->empty() ? *name : kUnknown;
}

std::vector<Frame> PclnTable::frames(std::uint64_t pc) const {
  const auto index = index_of(pc);
  if (!index) return {};
  const FunctionRange whole = range(*index);
  const Bytes data = function(*index);
  if (data.empty()) return {Frame{.function = std::string(whole.name), .file = std::string(kUnknown)}};
  const auto file_table = load_or_zero<std::uint32_t>(data, shape_->file);
  const auto line_table = load_or_zero<std::uint32_t>(data, shape_->line);
  const std::uint64_t tree = function_data(data, shape_->inline_tree);

  std::vector<Frame> all;
  std::vector<Frame> shown;
  const auto add = [&](std::string_view name, std::uint8_t id, bool inlined) {
    all.push_back({.function = std::string(name),
                   .file = std::string(file_name(data, pc_value(file_table, whole, pc).value_or(-1))),
                   .line = std::max(0, pc_value(line_table, whole, pc).value_or(0)),
                   .inlined = inlined});
    if (id != source_.wrapper_id) shown.push_back(all.back());
  };
  for (std::size_t depth = 0; tree != 0 && depth < kDeepestInlining; ++depth) {
    const std::int32_t call_index = pc_data(data, kPcDataInlineTree, whole, pc).value_or(-1);
    const auto call = call_index < 0 ? std::nullopt : inlined_call(tree, call_index);
    if (!call || call->parent_pc < 0) break;
    add(call->name, call->function_id, true);
    pc = whole.entry + static_cast<std::uint32_t>(call->parent_pc);
  }
  add(whole.name, whole.function_id, false);
  return shown.empty() ? all : shown;
}

std::optional<std::int32_t> PclnTable::stack_delta(std::uint64_t pc) const {
  const auto index = index_of(pc);
  if (!index) return std::nullopt;
  const auto delta = pc_value(load_or_zero<std::uint32_t>(function(*index), shape_->stack_delta), range(*index), pc);
  if (!delta || *delta < 0) return std::nullopt;
  return delta;
}

// From Go 1.17 on arguments come in registers, and the caller's frame has room for the callee to keep them
// (cmd/compile/internal/ssa/func.go, ArgWidth; abi-internal.md, "spill area").
std::uint32_t PclnTable::argument_bytes(std::uint64_t pc) const {
  constexpr std::uint32_t kMost = 4096;  // "not known" is a large number (runtime/symtab.go, abi.ArgsSizeUnknown)
  const auto index = index_of(pc);
  const auto bytes = index ? load_or_zero<std::uint32_t>(function(*index), shape_->arguments) : 0;
  return bytes <= kMost ? bytes : 0;
}

}  // namespace gotrace::goruntime
