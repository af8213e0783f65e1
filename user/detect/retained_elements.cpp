// Findings of kind retained-elements: pointers in an array that no slice reaches any more keep what they point to.
#include "detect/retention.h"

namespace gotrace::detect {

std::vector<Finding> find_retained_elements(const model::Model& model, const Judgements& judgements) {
  static constexpr RetentionWords kWords{
      .kind = RetentionKind::elements,
      .name = "retained-elements",
      .prefix = "re",
      .reference = "slice",
      .title = "elements that no slice reaches any more keep what they point to",
      .advice =
          "set an element to nil before it is cut off (q[0] = nil; q = q[1:]), or copy the part: append([]T(nil), "
          "s[i:j]...)",
      .spare_advice = "set elements to nil before the slice is cut: for i := range s[n:] { s[n+i] = nil }; s = s[:n]"};
  return find_retained(model, judgements, kWords);
}

}  // namespace gotrace::detect
