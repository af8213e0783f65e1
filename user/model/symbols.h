// Symbols: the definitions of locations and stacks, by id.
#pragma once

#include <string>
#include <vector>

#include "records/record.h"

namespace gotrace::model {

class Symbols {
 public:
  void define(const LocationRecord& record);
  void define(const StackRecord& record);

  // Innermost first; empty for an id that was never defined.
  [[nodiscard]] const std::vector<Frame>& frames(LocationId id) const;
  // All frames of a stack, inlined ones expanded, innermost first.
  [[nodiscard]] std::vector<Frame> expand(StackId id) const;
  [[nodiscard]] const StackRecord* stack(StackId id) const;

 private:
  std::vector<std::vector<Frame>> locations_;  // index = id - 1
  std::vector<StackRecord> stacks_;
};

}  // namespace gotrace::model
