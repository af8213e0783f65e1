// Who uses a package variable: code that names its address, relative to the instruction (amd64).
#pragma once

#include <cstdint>
#include <optional>

#include "goruntime/program.h"

namespace gotrace::goruntime {

// A link-time address of code of the program itself, not of the standard library nor of an initializer, that uses the
// package variable at `variable` (link-time). nullopt: none was found.
[[nodiscard]] std::optional<std::uint64_t> user_of_variable(const Program& program, std::uint64_t variable);

// `var v = &T{...}` puts the T among the package variables, without a name: the word there that points to it, or to
// what it is a part of. `place`, and the answer: run-time. nullopt: none.
[[nodiscard]] std::optional<process::Address> variable_that_points_to(const Program& program, process::Address place);

}  // namespace gotrace::goruntime
