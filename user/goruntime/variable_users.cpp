#include "goruntime/variable_users.h"

#include <algorithm>
#include <array>

namespace gotrace::goruntime {
namespace {

constexpr std::uint64_t kMostCode = 64U << 20;      // bytes that are searched
constexpr std::uint64_t kLargestStatic = 4U << 10;  // bytes of what has no name of its own

// Where in `code`, which lies at `address`, four bytes are the distance from the end of their instruction to
// `variable`; an immediate of 0, 1 or 4 bytes may stand behind them.
std::optional<std::uint64_t> find_operand(Bytes code, std::uint64_t address, std::uint64_t variable) {
  for (std::size_t at = 2; at + 4 <= code.size(); ++at) {
    const auto distance = load_or_zero<std::int32_t>(code, at);
    const std::uint64_t target = address + at + 4 + static_cast<std::uint64_t>(std::int64_t{distance});
    for (const std::uint64_t immediate : std::array<std::uint64_t, 3>{0, 1, 4}) {
      if (target + immediate != variable) continue;
      // The byte before is a ModRM that says "relative to the instruction pointer".
      if ((load_or_zero<std::uint8_t>(code, at - 1) & 0xc7) == 0x05) return address + at - 2;
    }
  }
  return std::nullopt;
}

bool is_initializer(std::string_view name) {
  return name.ends_with(".init") || name.find(".init.") != std::string_view::npos;
}

}  // namespace

std::optional<std::uint64_t> user_of_variable(const Program& program, std::uint64_t variable) {
  std::uint64_t searched = 0;
  for (const std::string& prefix : {std::string("main."), std::string()}) {
    for (const FunctionRange& function : program.functions().find_prefix(prefix)) {
      // A first path element without a dot is the standard library's; main is the exception.
      const std::string_view root = function.name.substr(0, function.name.find('/'));
      const bool own = !prefix.empty() || (root.size() < function.name.size() && root.find('.') != root.npos);
      const auto code = own && !is_initializer(function.name) ? program.code(function) : std::nullopt;
      if (!code) continue;
      searched += code->size();
      if (searched > kMostCode) return std::nullopt;
      if (const auto found = find_operand(*code, function.entry, variable)) return found;
    }
  }
  return std::nullopt;
}

std::optional<process::Address> variable_that_points_to(const Program& program, process::Address place) {
  std::uint64_t best = 0;
  std::optional<process::Address> found;
  for (const DataRange& range : program.data_ranges()) {
    const process::Address begin = range.begin + program.load_bias();
    const auto bytes = program.target().memory().block(begin, range.end > range.begin ? range.end - range.begin : 0);
    if (!bytes) continue;
    for (std::uint64_t at = 0; at + 8 <= bytes->size(); at += 8) {
      const auto word = load_or_zero<std::uint64_t>(*bytes, at);
      if (word > place || place - word >= kLargestStatic || word <= best) continue;
      best = word;
      found = begin + at;
    }
  }
  return found;
}

}  // namespace gotrace::goruntime
