// A program as it is known already, its memory being another target's: the same process seen through a snapshot.
#pragma once

#include <memory>

#include "goruntime/program.h"

namespace gotrace::goruntime {

// Both must outlive the view.
[[nodiscard]] std::unique_ptr<Program> view_of(const Program& program, const process::Target& target);

}  // namespace gotrace::goruntime
