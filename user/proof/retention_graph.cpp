#include "proof/retention_graph.h"

namespace gotrace::proof {
namespace {

bool is_late(const Origin& origin) {
  return origin.kind != Origin::Kind::variable && origin.kind != Origin::Kind::goroutine;
}

RetainerKind kind_of(const Origin& origin) {
  switch (origin.kind) {
    case Origin::Kind::variable:
      return RetainerKind::variable;
    case Origin::Kind::timer:
      return RetainerKind::timers;
    case Origin::Kind::finalizer:
      return RetainerKind::finalizers;
    case Origin::Kind::foreign:
      return RetainerKind::foreign;
    case Origin::Kind::thread:
      return RetainerKind::threads;
    case Origin::Kind::goroutine:
      return RetainerKind::goroutines;
    case Origin::Kind::none:
      break;
  }
  return RetainerKind::runtime;
}

Origin::Kind kind_of(RetainerKind kind) {
  switch (kind) {
    case RetainerKind::variable:
      return Origin::Kind::variable;
    case RetainerKind::timers:
      return Origin::Kind::timer;
    case RetainerKind::finalizers:
      return Origin::Kind::finalizer;
    case RetainerKind::foreign:
      return Origin::Kind::foreign;
    case RetainerKind::threads:
      return Origin::Kind::thread;
    case RetainerKind::goroutines:
      return Origin::Kind::goroutine;
    case RetainerKind::shared:
    case RetainerKind::runtime:
      break;
  }
  return Origin::Kind::none;
}

}  // namespace

RetentionGraph::RetentionGraph(const Captured& captured, const Marker& marker, const Goroutines& goroutines,
                               const std::vector<bool>& live)
    : references_(*marker.references()),
      goroutines_(goroutines),
      live_(live),
      variables_(captured),
      objects_(marker.objects()),
      by_goroutine_(goroutines.all().size(), kNone) {
  for (std::uint32_t i = 0; i < goroutines.all().size(); ++i) index_of_.emplace(goroutines.all()[i].goid, i);
  made_.resize(2);  // the root, and above the proved ones
  links_.push_back({0, proved()});
  link_all(marker);
}

std::uint32_t RetentionGraph::make(std::uint32_t parent, Made made) {
  const auto index = static_cast<std::uint32_t>(made_.size());
  made_.push_back(made);
  links_.push_back({parent, objects_ + index});
  return index;
}

std::uint32_t RetentionGraph::make_root(std::uint32_t parent, Retainer retainer) {
  retainers_.push_back(std::move(retainer));
  return make(parent, {static_cast<std::uint32_t>(retainers_.size() - 1), kNone});
}

// That main.main waits for ever is nobody's leak.
std::uint32_t RetentionGraph::node_of_goroutine(std::uint32_t index) {
  if (by_goroutine_[index] != kNone) return by_goroutine_[index];
  const Goroutine& goroutine = goroutines_.all()[index];
  const bool proved = !live_[index] && !goroutine.is_main;
  const auto [known, fresh] = by_statement_.try_emplace({goroutine.created_pc, proved}, 0);
  if (fresh) {
    Retainer retainer{.kind = RetainerKind::goroutines, .created_pc = goroutine.created_pc, .proved = proved};
    known->second = make_root(proved ? 1 : 0, std::move(retainer));
  }
  ++retainers_[made_[known->second].retainer].goroutines;
  return by_goroutine_[index] = make(known->second, {kNone, index});
}

std::uint32_t RetentionGraph::node_of(const Origin& origin) {
  const RetainerKind kind = kind_of(origin);
  if (kind == RetainerKind::variable) {
    const Address variable = variables_.beginning(origin.address);
    const auto [known, fresh] = by_variable_.try_emplace(variable, 0);
    if (fresh) known->second = make_root(0, {.kind = kind, .variable = variable});
    return known->second;
  }
  if (kind == RetainerKind::goroutines) {
    const auto found = index_of_.find(origin.address);
    if (found != index_of_.end()) return node_of_goroutine(found->second);
  }
  const auto [known, fresh] = by_kind_.try_emplace(kind, 0);
  if (fresh) known->second = make_root(0, {.kind = kind});
  return known->second;
}

void RetentionGraph::link_all(const Marker& marker) {
  std::vector<std::uint32_t> by_origin;
  for (const bool late : {false, true}) {
    if (late) first_late_ = static_cast<std::uint32_t>(made_.size());
    by_origin.resize(marker.origins().size());
    for (std::size_t i = 0; i < by_origin.size(); ++i)
      if (is_late(marker.origins()[i]) == late) by_origin[i] = node_of(marker.origins()[i]);
  }
  for (const auto& [origin, object] : references_.from_origins()) links_.push_back({by_origin[origin], object});
  first_.assign(made_.size() + 1, 0);
  for (const Link& link : links_) ++first_[link.from + 1];
  for (std::size_t i = 1; i < first_.size(); ++i) first_[i] += first_[i - 1];
  to_.resize(links_.size());
  auto next = first_;
  for (const Link& link : links_) to_[next[link.from]++] = link.to;
  links_ = {};
}

std::span<const std::uint32_t> RetentionGraph::successors(std::uint32_t node) const {
  if (is_object(node)) return references_.of(node);
  const std::uint32_t begin = first_[node - objects_];
  return std::span(to_).subspan(begin, first_[node - objects_ + 1] - begin);
}

const Retainer* RetentionGraph::retainer(std::uint32_t node) const {
  if (is_object(node) || made_[node - objects_].retainer == kNone) return nullptr;
  return &retainers_[made_[node - objects_].retainer];
}

Origin RetentionGraph::origin(std::uint32_t node) const {
  if (const std::uint32_t index = goroutine(node); index != kNone)
    return {Origin::Kind::goroutine, goroutines_.all()[index].goid};
  const Retainer* root = retainer(node);
  return root == nullptr ? Origin{} : Origin{kind_of(root->kind), root->variable};
}

std::uint32_t RetentionGraph::goroutine(std::uint32_t node) const {
  return is_object(node) ? kNone : made_[node - objects_].goroutine;
}

}  // namespace gotrace::proof
