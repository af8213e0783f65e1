#include "proof/marker.h"

namespace gotrace::proof {

Marker::Marker(HeapGraph& graph)
    : graph_(graph),
      bits_(static_cast<std::size_t>(graph.slots() / 64 + 1)),
      watched_(static_cast<std::size_t>(graph.slots() / 64 + 1)) {
  if (graph.slots() < kOrigin) leaders_.assign(static_cast<std::size_t>(graph.slots()), kUnknown);
}

std::uint32_t Marker::leader() {
  if (scanned_object_ != kUnknown) return scanned_object_;
  if (origins_.size() >= kUnknown - kOrigin) return kUnknown;
  if (origins_.empty() || origins_.back() != origin_) origins_.push_back(origin_);
  return kOrigin | static_cast<std::uint32_t>(origins_.size() - 1);
}

void Marker::keep_references(std::uint64_t expected, std::uint64_t most) {
  if (!leaders_.empty()) references_ = std::make_unique<References>(graph_.slots(), expected, most);
}

void Marker::note(std::uint64_t number) {
  const auto object = static_cast<std::uint32_t>(number);
  if (scanned_object_ != kUnknown) return references_->add(object);
  if (const std::uint32_t origin = leader(); origin != kUnknown) references_->add_from(origin & ~kOrigin, object);
}

void Marker::mark(ObjectRef object) {
  const std::uint64_t number = graph_.number(object);
  if (references_) note(number);
  if (test(bits_, number)) return;
  set(bits_, number);
  ++objects_;
  bytes_ += graph_.size(object);
  if (!leaders_.empty()) leaders_[static_cast<std::size_t>(number)] = leader();
  if (test(watched_, number)) hits_.push_back(number);
  if (graph_.has_pointers(object)) next_.push_back(object);
}

void Marker::set_aside(ObjectRef object) {
  const std::uint64_t number = graph_.number(object);
  if (test(bits_, number)) return;
  set(bits_, number);
  ++objects_;
  bytes_ += graph_.size(object);
  if (references_) note(number);
}

void Marker::mark_all(Bytes words) {
  for (std::size_t at = 0; at + 8 <= words.size(); at += 8) mark(load_or_zero<std::uint64_t>(words, at));
  scanned_ += words.size();
}

void Marker::mark_contents(ObjectRef object) {
  scanned_ += graph_.size(object);
  graph_.for_each_pointer(object, [this](std::uint64_t word) { mark(word); });
}

void Marker::drain() {
  constexpr std::size_t kAhead = 8;  // objects: about as long as memory takes to answer
  while (!next_.empty()) {
    std::swap(pending_, next_);
    next_.clear();
    for (std::size_t i = 0; i < pending_.size(); ++i) {
      if (i + kAhead < pending_.size()) graph_.prefetch(pending_[i + kAhead]);
      scanned_object_ = static_cast<std::uint32_t>(graph_.number(pending_[i]));
      if (references_) references_->begin(scanned_object_);
      mark_contents(pending_[i]);
    }
    scanned_object_ = kUnknown;
  }
}

Marker::Path Marker::path_to(ObjectRef object, std::size_t most) const {
  Path path;
  std::uint64_t number = graph_.number(object);
  while (!leaders_.empty() && path.objects.size() < most) {
    path.objects.push_back(graph_.object_of(number));
    const std::uint32_t leader = leaders_[static_cast<std::size_t>(number)];
    if (leader == kUnknown) break;
    if ((leader & kOrigin) != 0) {
      path.origin = origins_[leader & ~kOrigin];
      break;
    }
    number = leader;
  }
  return path;
}

}  // namespace gotrace::proof
