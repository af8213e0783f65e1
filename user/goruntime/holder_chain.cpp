#include "goruntime/holder_chain.h"

#include <algorithm>

namespace gotrace::goruntime {

HolderSearch::HolderSearch(const Program& program, PointerMaps& maps, const HeapSpans& spans,
                           const std::vector<SearchRegion>& regions, std::vector<HolderChain>& chains)
    : maps_(maps), memory_(program.target().memory()), spans_(spans), regions_(regions), chains_(chains) {
  begin_round();
}

bool HolderSearch::contains(const HolderChain& chain, process::Address object) {
  return std::ranges::any_of(chain.holders, [object](const Holder& holder) { return holder.address == object; });
}

void HolderSearch::begin_round() {
  targets_ = std::make_unique<SearchTargets>();
  by_target_.clear();
  next_.assign(chains_.size(), {});
  for (std::size_t i = 0; i < chains_.size(); ++i) {
    const HolderChain& chain = chains_[i];
    if (chain.holders.empty() || chain.rooted() || chain.holders.size() <= round_) continue;
    const SpanView* span = spans_.find(chain.holders.back().address);
    const auto slot = span != nullptr ? slot_of(*span, chain.holders.back().address) : std::nullopt;
    const auto target = slot ? targets_->add_object(*span, *slot) : std::nullopt;
    if (!target) continue;
    by_target_.resize(std::max<std::size_t>(by_target_.size(), *target + 1));
    by_target_[*target].push_back(i);
  }
  done_ = targets_->size() == 0 || round_ >= kMostSteps;
  if (!done_) search_ = std::make_unique<ReferenceSearch>(memory_, *targets_, regions_);
}

bool HolderSearch::is_pointer(const Reference& reference, Holder& holder) {
  std::optional<std::vector<bool>> pointers;
  switch (reference.region->kind) {
    case SearchRegion::Kind::stack:
      holder = {Holder::Kind::stack, reference.region->begin, 0, 0};
      return true;
    case SearchRegion::Kind::data:
      holder = {Holder::Kind::variable, reference.place, 0, 0};
      pointers = maps_.data_words(reference.place, 1);
      break;
    case SearchRegion::Kind::heap: {
      const SpanView* span = spans_.find(reference.place);
      const auto slot = span != nullptr ? slot_of(*span, reference.place) : std::nullopt;
      if (!slot) return false;
      const process::Address object = span->base + *slot * span->element_size;
      const auto type = maps_.element_type(*span, object);
      holder = {Holder::Kind::object, object, span->element_size, type ? type->address : 0};
      pointers = maps_.words(*span, object, (reference.place - object) / 8, 1);
      break;
    }
  }
  return !pointers || (*pointers)[0];
}

// A package variable is the best answer, an object the next, a stack the last: what is on it may be a passing visitor.
void HolderSearch::visit(const Reference& reference) {
  Holder holder;
  if (reference.target >= by_target_.size() || !is_pointer(reference, holder)) return;
  for (const std::size_t i : by_target_[reference.target]) {
    Holder& next = next_[i];
    const bool cycle = holder.kind == Holder::Kind::object && contains(chains_[i], holder.address);
    const bool better = next.address == 0 || holder.kind == Holder::Kind::variable ||
                        (next.kind == Holder::Kind::stack && holder.kind == Holder::Kind::object);
    if (!cycle && next.kind != Holder::Kind::variable && better) next = holder;
  }
}

void HolderSearch::end_round() {
  for (std::size_t i = 0; i < chains_.size(); ++i)
    if (next_[i].address != 0) chains_[i].holders.push_back(next_[i]);
  ++round_;
  begin_round();
}

bool HolderSearch::step(std::uint64_t bytes) {
  if (done_) return false;
  maps_.forget_bits();
  if (!search_->step(bytes, [this](const Reference& reference) { visit(reference); })) end_round();
  return !done_;
}

}  // namespace gotrace::goruntime
