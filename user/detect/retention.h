// Large objects that small references keep: shared by the detectors of these kinds.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "detect/detector.h"

namespace gotrace::detect {

// What differs between the kinds.
struct RetentionWords {
  RetentionKind kind = RetentionKind::substring;
  std::string_view name;       // of the finding's kind
  std::string_view prefix;     // of its id
  std::string_view reference;  // what keeps them: "string"; stack: unused
  std::string_view title;
  std::string_view advice;
  std::string_view spare_advice;  // where the unused rest is capacity
};

// One finding for each place that allocates them, or, where that is not known, for each holder. What must come
// together: waste that is worth a look, found the same twice. With growth the verdict is the growing line's, else
// `suspected`; what could be capacity in reserve is reported only when it grows.
[[nodiscard]] std::vector<Finding> find_retained(const model::Model& model, const Judgements& judgements,
                                                 const RetentionWords& words);

}  // namespace gotrace::detect
