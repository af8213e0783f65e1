// Who makes objects of a kind: the call sites whose sampled allocations pass through certain library functions and
// have outlived a garbage collection.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "model/model.h"
#include "records/record.h"

namespace gotrace::detect {

struct Allocator {
  std::vector<Frame> stack;
  Frame where;                // the first frame of the program itself
  std::uint64_t samples = 0;  // of that place, that outlived a collection
  std::uint64_t of = 0;       // of all places
};

[[nodiscard]] bool passes_through(const std::vector<Frame>& stack, std::span<const std::string_view> functions);

// The place that most samples name; nullopt when there is none, or none has more than half. `functions`: names in full.
[[nodiscard]] std::optional<Allocator> main_allocator(const model::Model& model,
                                                      std::span<const std::string_view> functions);

}  // namespace gotrace::detect
