// Retained objects gathered for the findings: one entry for each place where they are allocated, or for each size where
// that is not known.
#pragma once

#include <cstdint>
#include <vector>

#include "model/model.h"

namespace gotrace::detect {

struct Kept {
  std::vector<RetainedGroup> groups;
  std::vector<Frame> stack;       // of the allocation; empty: not known
  std::uint64_t of_one_size = 0;  // objects of those that were not sampled, but are of the size of the others
  std::uint64_t objects = 0, bytes = 0, used = 0, references = 0, smallest = 0, largest = 0;
  std::uint64_t pointers = 0, unused_pointers = 0;
  bool spare = false;
  [[nodiscard]] std::uint64_t waste() const { return bytes - std::min(bytes, used); }
};

[[nodiscard]] std::vector<Kept> gather(const model::Model& model, const RetentionLook& look, RetentionKind kind);

}  // namespace gotrace::detect
