#include "proof/dominators.h"

#include <algorithm>
#include <utility>

namespace gotrace::proof {

Dominators::Dominators(std::uint32_t nodes, std::uint32_t root, std::uint32_t first_late, const Successors& successors)
    : index_(nodes, kNone) {
  order_nodes(root, first_late, successors);
  find_semidominators();
  find_dominators();
  for (auto* done : {&first_, &semi_, &path_}) *done = {};
  references_ = {};
  links_ = {};
}

void Dominators::order_nodes(std::uint32_t root, std::uint32_t first_late, const Successors& successors) {
  struct Visit {
    const std::uint32_t* next;
    const std::uint32_t* end;
    std::uint32_t index;
  };
  for (auto* array : {&order_, &dominator_, &first_}) array->reserve(index_.size());
  std::vector<Visit> open;
  std::uint32_t last_late = 0;  // index: what is reached from there on does not count for what was reached before
  const auto enter = [&](std::uint32_t node, std::uint32_t parent) {
    const auto index = static_cast<std::uint32_t>(order_.size());
    index_[node] = index;
    order_.push_back(node);
    dominator_.push_back(parent);
    first_.push_back(kNone);
    if (node >= first_late) last_late = index;
    const auto after = successors(node);
    if (!after.empty()) open.push_back({after.data(), after.data() + after.size(), index});
  };
  enter(root, 0);
  while (!open.empty()) {
    Visit& visit = open.back();
    if (visit.next == visit.end) {
      open.pop_back();
      continue;
    }
    const std::uint32_t node = *visit.next++;
    const std::uint32_t to = index_[node];
    if (to == kNone) {
      enter(node, visit.index);
    } else if (to >= last_late && to != visit.index && dominator_[to] != visit.index) {
      references_.push_back({visit.index, std::exchange(first_[to], static_cast<std::uint32_t>(references_.size()))});
    }
  }
}

// The lowest semidominator on the way from `index` up to, and without, the first that is not linked yet.
std::uint32_t Dominators::lowest(std::uint32_t index, std::uint32_t linked) {
  if (links_[index].ancestor < linked) return links_[index].least;
  path_.clear();
  do {
    path_.push_back(index);
    index = links_[index].ancestor;
  } while (links_[index].ancestor >= linked);
  Link above = links_[index];
  while (!path_.empty()) {
    Link& link = links_[path_.back()];
    path_.pop_back();
    above = link = {above.ancestor, std::min(above.least, link.least)};
  }
  return above.least;
}

// What references lead to is known long before it is needed: it is fetched meanwhile.
void Dominators::find_semidominators() {
  constexpr std::uint32_t kAhead = 16;
  semi_.resize(order_.size());
  links_.resize(order_.size());
  for (std::uint32_t i = 0; i < size(); ++i) links_[i] = {dominator_[i], i};
  for (std::uint32_t i = size(); i-- > 1;) {
    if (i > 2 * kAhead && first_[i - 2 * kAhead] != kNone) __builtin_prefetch(&references_[first_[i - 2 * kAhead]]);
    if (i > kAhead && first_[i - kAhead] != kNone) __builtin_prefetch(&links_[references_[first_[i - kAhead]].from]);
    std::uint32_t least = dominator_[i];
    for (std::uint32_t at = first_[i]; at != kNone && least != 0; at = references_[at].next)
      least = std::min(least, lowest(references_[at].from, i + 1));
    semi_[i] = links_[i].least = least;
  }
}

void Dominators::find_dominators() {
  constexpr std::uint64_t kMostSteps = 64;  // a node, on average
  std::uint64_t steps = kMostSteps * (order_.size() + 1024);
  for (std::uint32_t i = 1; i < size() && complete_; ++i) {
    std::uint32_t above = dominator_[i];
    for (; above > semi_[i] && steps > 0; --steps) above = dominator_[above];
    dominator_[i] = above;
    complete_ = steps > 0;
  }
}

}  // namespace gotrace::proof
