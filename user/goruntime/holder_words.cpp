#include "goruntime/holder_words.h"

#include <fmt/format.h>

#include "goruntime/type_names.h"
#include "goruntime/variable_users.h"

namespace gotrace::goruntime {
namespace {

std::string words_of_object(const Program& program, const Holder& holder) {
  const std::string type = holder.type != 0 ? type_name(program, holder.type) : std::string();
  return type.empty() ? fmt::format("an object of {} bytes", holder.size)
                      : fmt::format("{} in an object of {} bytes", type, holder.size);
}

struct Variable {
  std::string name;                   // empty: not known
  std::optional<std::uint64_t> user;  // link-time
};

Variable variable_at(const Program& program, process::Address address) {
  const std::uint64_t link_time = address - program.load_bias();
  return {program.variable_name(link_time), user_of_variable(program, link_time)};
}

// The word itself, or what points to it where it has no name.
Variable find_variable(const Program& program, process::Address address) {
  Variable variable = variable_at(program, address);
  if (!variable.name.empty() || variable.user) return variable;
  const auto outer = variable_that_points_to(program, address);
  return outer ? variable_at(program, *outer) : variable;
}

}  // namespace

HolderWords describe_holders(const Program& program, Symbolizer& symbolizer, const HolderChain& chain) {
  HolderWords result;
  for (auto holder = chain.holders.rbegin(); holder != chain.holders.rend(); ++holder) {
    if (!result.words.empty()) result.words += " -> ";
    switch (holder->kind) {
      case Holder::Kind::object:
        result.words += words_of_object(program, *holder);
        break;
      case Holder::Kind::stack:
        result.words += "a goroutine's stack";
        break;
      case Holder::Kind::variable: {
        const Variable variable = find_variable(program, holder->address);
        result.words += variable.name.empty() ? "a package variable" : "package variable " + variable.name;
        if (variable.user) result.used_at = symbolizer.location(*variable.user + program.load_bias(), false);
        break;
      }
    }
  }
  return result;
}

}  // namespace gotrace::goruntime
