// Findings of kind retained-substring: short strings cut from long ones keep these whole.
#include "detect/retention.h"

namespace gotrace::detect {

std::vector<Finding> find_retained_substrings(const model::Model& model, const Judgements& judgements) {
  static constexpr RetentionWords kWords{
      .kind = RetentionKind::substring,
      .name = "retained-substring",
      .prefix = "rs",
      .reference = "string",
      .title = "short strings keep the long ones that they were cut from",
      .advice = "keep a copy of the part: strings.Clone(s[a:b]), before Go 1.20 string([]byte(s[a:b]))",
      .spare_advice = "keep a copy of the part: strings.Clone(s[a:b])"};
  return find_retained(model, judgements, kWords);
}

}  // namespace gotrace::detect
