#include "proof/marker.h"

namespace gotrace::proof {

Marker::Marker(HeapGraph& graph)
    : graph_(graph), orders_(graph.slots()), objects_(graph.slots()), leaders_(graph.slots()) {}

std::uint32_t Marker::origin() {
  if (!origins_.empty() && origins_.back() == origin_) return kOrigin | static_cast<std::uint32_t>(origins_.size() - 1);
  if (origins_.size() >= kUnknown - kOrigin) return kUnknown;
  origins_.push_back(origin_);
  return kOrigin | static_cast<std::uint32_t>(origins_.size() - 1);
}

void Marker::keep_references(std::uint64_t expected, std::uint64_t most) {
  references_ = std::make_unique<References>(graph_.slots(), expected, most);
}

void Marker::note(std::uint32_t leader, std::uint32_t order) {
  if (leader < kOrigin) return references_->add(leader, order);
  if (leader != kUnknown) references_->add_from(leader & ~kOrigin, order);
}

void Marker::add(ObjectRef object, std::uint32_t number, std::uint32_t leader, bool leads_on) {
  if (!leads_on) object.slot |= kLeadsNowhere;
  objects_.push_back(object);
  leaders_.push_back(leader);
  orders_[number] = objects();
  bytes_ += graph_.size(object);
}

void Marker::mark(ObjectRef object, std::uint32_t number, std::uint32_t leader) {
  const std::uint32_t known = orders_[number];
  if (known == 0 || known == kWatched) {
    add(object, number, leader, graph_.has_pointers(object));
    if (known == kWatched) hits_.push_back(number);
  }
  if (references_) note(leader, orders_[number] - 1);
}

void Marker::set_aside(ObjectRef object) {
  const std::uint32_t number = graph_.number(object);
  if (order_of(number) != kNone) return;
  const std::uint32_t leader = origin();
  add(object, number, leader, false);
  if (references_) note(leader, objects() - 1);
}

void Marker::watch(ObjectRef object) {
  if (std::uint32_t& order = orders_[graph_.number(object)]; order == 0) order = kWatched;
}

void Marker::mark_all(Bytes words) {
  for (std::size_t at = 0; at + 8 <= words.size(); at += 8) mark(load_or_zero<std::uint64_t>(words, at));
  scanned_ += words.size();
}

void Marker::mark_contents(ObjectRef object) {
  scanned_ += graph_.size(object);
  graph_.for_each_pointer(object, [this](std::uint64_t word) { mark(word); });
}

void Marker::scan(ObjectRef object, std::uint32_t order) {
  scanned_ += graph_.size(object);
  graph_.for_each_pointer(object, [this, order](std::uint64_t word) {
    const std::uint32_t span = graph_.span_near(word);
    if (span == HeapGraph::kNone) return;
    graph_.prefetch_span(span);
    batch_[batched_++] = {word, span, order};
    if (batched_ == batch_.size()) mark_batch();
  });
}

void Marker::mark_batch() {
  struct Target {
    ObjectRef object;
    std::uint32_t number;
    std::uint32_t from;
  };
  std::array<Target, std::tuple_size_v<decltype(batch_)>> targets;
  std::size_t count = 0;
  for (std::size_t i = 0; i < batched_; ++i) {
    const Found& found = batch_[i];
    const std::uint32_t slot = graph_.slot_at(found.span, found.word);
    if (slot == HeapGraph::kNone) continue;
    const ObjectRef object{found.span, slot};
    targets[count] = {object, graph_.number(object), found.from};
    __builtin_prefetch(&orders_[targets[count++].number], 1);
  }
  batched_ = 0;
  for (std::size_t i = 0; i < count; ++i)
    mark(targets[i].object, targets[i].number, targets[i].from < kOrigin ? targets[i].from : kUnknown);
}

// Of the object of order `far` the span, of that of order `near` what it holds.
inline void Marker::prefetch(std::uint32_t far, std::uint32_t near) const {
  if (far < objects() && (objects_[far].slot & kLeadsNowhere) == 0) graph_.prefetch_span(objects_[far].span);
  if (near < objects() && (objects_[near].slot & kLeadsNowhere) == 0) graph_.prefetch(objects_[near]);
}

void Marker::drain() {
  constexpr std::uint32_t kAhead = 8;  // objects: about as long as memory takes to answer
  while (scanned_objects_ < objects() || batched_ > 0) {
    for (; scanned_objects_ < objects(); ++scanned_objects_) {
      prefetch(scanned_objects_ + 2 * kAhead, scanned_objects_ + kAhead);
      const ObjectRef& next = objects_[scanned_objects_];
      if ((next.slot & kLeadsNowhere) == 0) scan(next, scanned_objects_);
    }
    mark_batch();
  }
  if (references_) references_->end(objects());
}

Marker::Path Marker::path_to(ObjectRef object, std::size_t most) const {
  Path path;
  std::uint32_t order = order_of(object);
  while (order != kNone && path.objects.size() < most) {
    path.objects.push_back(this->object(order));
    const std::uint32_t leader = leaders_[order];
    if (leader == kUnknown) break;
    if ((leader & kOrigin) != 0) {
      path.origin = origins_[leader & ~kOrigin];
      break;
    }
    order = leader;
  }
  return path;
}

}  // namespace gotrace::proof
