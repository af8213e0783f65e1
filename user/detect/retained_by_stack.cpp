// Findings of kind retained-by-stack: a frame that lives long holds the head of a list, and so all of it.
#include "detect/retention.h"

namespace gotrace::detect {

std::vector<Finding> find_retained_by_stack(const model::Model& model, const Judgements& judgements) {
  static constexpr RetentionWords kWords{.kind = RetentionKind::stack,
                                         .name = "retained-by-stack",
                                         .prefix = "rk",
                                         .reference = "list",
                                         .title = "a frame that lives long keeps the head of a list that grows",
                                         .advice =
                                             "let go of the head when it is done: head = head.next as the list "
                                             "is worked off, or head = nil",
                                         .spare_advice = ""};
  return find_retained(model, judgements, kWords);
}

}  // namespace gotrace::detect
