// Large types without pointers that a program allocates. A pointer to one, with a number behind it, looks like a
// string.
#pragma once

#include <cstdint>
#include <vector>

#include "goruntime/program.h"

namespace gotrace::goruntime {

// Sizes of the pointer-free array and struct types of at least `least` bytes whose descriptors the program has, rising.
// What merely looks like a descriptor is taken for one.
[[nodiscard]] std::vector<std::uint64_t> large_plain_types(const Program& program, std::uint64_t least);

// Whether an object of `object_size` bytes may hold one value of such a type: size classes round up by an eighth at
// most (runtime/sizeclasses.go).
[[nodiscard]] bool may_be_one_of(const std::vector<std::uint64_t>& sizes, std::uint64_t object_size);

}  // namespace gotrace::goruntime
