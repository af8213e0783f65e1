// Names of Go types from their descriptors in the program.
#pragma once

#include <string>

#include "goruntime/program.h"

namespace gotrace::goruntime {

// "main.session", "[]string"; empty: not known. `type`: run-time address of a runtime._type.
[[nodiscard]] std::string type_name(const Program& program, process::Address type);

}  // namespace gotrace::goruntime
