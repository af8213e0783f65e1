// Each recipe is one row: the global, the function whose code names it, and how it is told from the other operands. The
// recipes use the kind of an operand and where it points, never an offset in the code. Checked against the symbol
// tables of programs built with every Go release from 1.15 to 1.27 (tests/unit/goruntime/program_live_test.cpp).
#include "goruntime/globals.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "goruntime/instructions.h"

namespace gotrace::goruntime {
namespace {

using Kind = Instruction::Kind;
using Address = std::optional<std::uint64_t>;

class Code {
 public:
  Code(std::vector<Instruction> instructions, const ModuleData& module, const ImageReader& image, const Layout& layout)
      : instructions_(std::move(instructions)), module_(module), image_(image), layout_(layout) {}

  [[nodiscard]] const std::vector<Instruction>& instructions() const { return instructions_; }
  [[nodiscard]] const Layout& layout() const { return layout_; }
  [[nodiscard]] const ImageReader& image() const { return image_; }

  // RIP-relative operands of that kind and width (0: any) that point to globals, each once, in order of the code.
  [[nodiscard]] std::vector<std::uint64_t> targets(Kind kind, unsigned bits = 0) const {
    std::vector<std::uint64_t> result;
    for (const Instruction& instruction : instructions_) {
      if (instruction.kind != kind || (bits != 0 && instruction.bits != bits) || !global(instruction)) continue;
      if (std::ranges::find(result, *instruction.target) == result.end()) result.push_back(*instruction.target);
    }
    return result;
  }
  [[nodiscard]] bool global(const Instruction& instruction) const {
    return instruction.target && module_.is_global(*instruction.target);
  }

 private:
  std::vector<Instruction> instructions_;
  const ModuleData& module_;
  const ImageReader& image_;
  const Layout& layout_;
};

template <std::size_t Index>
Address nth_address(const Code& code) {
  const auto all = code.targets(Kind::address);
  return Index < all.size() ? Address(all[Index]) : std::nullopt;
}

template <std::size_t Index, unsigned Bits>
Address nth_load(const Code& code) {
  const auto all = code.targets(Kind::load, Bits);
  return Index < all.size() ? Address(all[Index]) : std::nullopt;
}

Address last_address(const Code& code) {
  const auto all = code.targets(Kind::address);
  return all.empty() ? std::nullopt : Address(all.back());
}

// Of a struct whose fields are named too: its beginning.
Address lowest_address(const Code& code) {
  const auto all = code.targets(Kind::address);
  return all.empty() ? std::nullopt : Address(*std::ranges::min_element(all));
}

Address lowest_load(const Code& code) {
  const auto all = code.targets(Kind::load, 64);
  return all.empty() ? std::nullopt : Address(*std::ranges::min_element(all));
}

// The slice header whose three words are all moved to or from; nullopt when there is not exactly one.
Address only_slice(const Code& code) {
  auto words = code.targets(Kind::load, 64);
  for (const std::uint64_t stored : code.targets(Kind::store, 64)) words.push_back(stored);
  const auto moved = [&words](std::uint64_t address) { return std::ranges::find(words, address) != words.end(); };
  Address result;
  for (const std::uint64_t word : words) {
    if (word == result || !moved(word + 8) || !moved(word + 16) || moved(word - 8)) continue;
    if (result) return std::nullopt;
    result = word;
  }
  return result;
}

// Go 1.15's allgadd stores the length beside the slice.
Address store_outside_slice(const Code& code) {
  const auto slice_at = only_slice(code);
  if (!slice_at) return std::nullopt;
  for (const std::uint64_t stored : code.targets(Kind::store, 64)) {
    if (stored < *slice_at || stored >= *slice_at + 24) return stored;
  }
  return std::nullopt;
}

Address last_increment(const Code& code) {
  const auto all = code.targets(Kind::increment, 32);
  return all.empty() ? std::nullopt : Address(all.back());
}

// An atomic add is `lea global, register` and `lock xadd (register)`, or has the global as its operand.
std::vector<std::uint64_t> exchange_adds(const Code& code, unsigned bits) {
  std::vector<std::uint64_t> result;
  const auto& instructions = code.instructions();
  for (std::size_t i = 0; i < instructions.size(); ++i) {
    const Instruction& add = instructions[i];
    if (add.kind != Kind::exchange_add || add.bits != bits) continue;
    if (code.global(add)) result.push_back(*add.target);
    if (add.base_register == 0) continue;
    for (std::size_t j = i; j-- > 0;) {
      if (instructions[j].kind != Kind::address || instructions[j].result_register != add.base_register) continue;
      if (code.global(instructions[j])) result.push_back(*instructions[j].target);
      break;
    }
  }
  return result;
}

Address first_exchange_add(const Code& code) {
  const auto all = exchange_adds(code, 32);
  return all.empty() ? std::nullopt : Address(all.front());
}

// newproc1 takes a batch of ids from sched.goidgen, after it counted the new stack in gcController.
Address sched_of_goidgen(const Code& code) {
  const auto all = exchange_adds(code, 64);
  const Field& field = code.layout().schedt.goidgen;
  if (all.empty() || !field.present()) return std::nullopt;
  return all.back() - field.offset;
}

// Known by what it holds: sizeclasses.go begins {0, 8, 16, ...} in every release and ends with 32768.
Address size_table(const Code& code) {
  for (const std::uint64_t candidate : code.targets(Kind::address)) {
    const auto bytes = code.image()(candidate, 6);
    if (bytes && load_or_zero<std::uint16_t>(*bytes, 0) == 0 && load_or_zero<std::uint16_t>(*bytes, 2) == 8 &&
        load_or_zero<std::uint16_t>(*bytes, 4) == 16) {
      return candidate;
    }
  }
  return std::nullopt;
}

struct Recipe {
  const char* global;
  const char* function;
  Address (*rule)(const Code&);
  int first_minor = 0;  // Go versions it holds for
  int last_minor = 999;
};

constexpr const char* kWaitReasonName = "runtime.waitReason.String";

// In the order of trial; the first that yields something counts.
constexpr Recipe kRecipes[] = {
    {"allgs", "runtime.allgadd", only_slice},
    {"allglen", "runtime.allgadd", last_address, 16},
    {"allglen", "runtime.allgadd", store_outside_slice, 0, 15},
    {"allp", "runtime.preemptall", lowest_load},
    {"mbuckets", "runtime.mProf_FlushLocked", nth_load<0, 64>},
    {"MemProfileRate", "runtime.allocmcache", nth_load<0, 64>},
    {"mheap_", "runtime.gcSweep", nth_address<0>},  // it locks mheap_.lock, the first field
    {"work.cycles", "runtime.gcStart", first_exchange_add, 20},
    {"work.cycles", "runtime.gcStart", last_increment, 0, 19},
    {"waitReasonStrings", kWaitReasonName, nth_address<0>},
    {"memstats", "runtime.(*mcache).releaseAll", nth_address<1>, 16},  // the first is emptymspan
    {"memstats", "runtime.readmemstats_m", nth_address<0>, 0, 15},
    {"gcController", "runtime.gcControllerCommit", nth_address<0>, 16},
    {"finq", "runtime.queuefinalizer", nth_load<0, 64>},
    {"allfin", "runtime.queuefinalizer", nth_load<1, 64>},
    {"gcCleanups", "runtime.runCleanups", lowest_address, 25},
    {"mProfCycle", "runtime.mProf_Flush", nth_load<0, 32>, 16},
    {"mProfCycle", "runtime.mProf_NextCycle", nth_load<0, 32>, 0, 15},
    {"sched", "runtime.newproc1", sched_of_goidgen},
    {"semtable", "runtime.semrelease1", nth_address<0>},
    {"class_to_size", "runtime.(*mheap).initSpan", size_table, 20},
    {"class_to_size", "runtime.(*mcentral).grow", size_table, 0, 24},
};

std::string explain(const Recipe& recipe, bool function_exists) {
  if (!function_exists) return fmt::format("{} is not linked into this program", recipe.function);
  return fmt::format("the code of {} does not name it in a way known here", recipe.function);
}

std::size_t bound_of_comparison(const Code& code) {
  for (const Instruction& instruction : code.instructions()) {
    if (instruction.kind != Kind::compare_immediate) continue;
    return instruction.immediate > 0 && instruction.immediate <= 255 ? static_cast<std::size_t>(instruction.immediate)
                                                                     : 0;
  }
  return 0;
}

}  // namespace

Globals find_globals(const FunctionTable& functions, const CodeReader& code, const ImageReader& image,
                     const ModuleData& module, const Layout& layout) {
  Globals globals;
  globals.found.emplace("firstmoduledata", module.address);
  for (const Recipe& recipe : kRecipes) {
    if (layout.minor < recipe.first_minor || layout.minor > recipe.last_minor) continue;
    if (globals.found.contains(recipe.global)) continue;
    const auto function = functions.find(recipe.function);
    const auto bytes = function ? code(*function) : std::nullopt;
    if (!bytes) {
      globals.missing[recipe.global] = explain(recipe, function.has_value());
      continue;
    }
    const Code decoded(decode(*bytes, function->entry), module, image, layout);
    const Address address = recipe.rule(decoded);
    if (recipe.function == kWaitReasonName) globals.wait_reason_count = bound_of_comparison(decoded);
    if (address) {
      globals.found.emplace(recipe.global, *address);
      globals.missing.erase(recipe.global);
    } else {
      globals.missing[recipe.global] = explain(recipe, true);
    }
  }
  return globals;
}

}  // namespace gotrace::goruntime
