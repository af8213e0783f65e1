// Findings of kind retained-subslice: short slices of large arrays keep these whole.
#include "detect/retention.h"

namespace gotrace::detect {

std::vector<Finding> find_retained_subslices(const model::Model& model, const Judgements& judgements) {
  static constexpr RetentionWords kWords{
      .kind = RetentionKind::subslice,
      .name = "retained-subslice",
      .prefix = "rl",
      .reference = "slice",
      .title = "short slices keep the large arrays that they are a part of",
      .advice = "keep a copy of the part: append([]byte(nil), b[i:j]...)",
      .spare_advice = "keep a copy of what is in use: append([]byte(nil), b[:n]...)"};
  return find_retained(model, judgements, kWords);
}

}  // namespace gotrace::detect
