#include "model/retention_table.h"

namespace gotrace::model {
namespace {

// A list is that of a function and of a size of nodes; where these are allocated comes out later, or never.
RetentionTable::Key key_of(const RetainedGroup& group) {
  const bool list = group.kind == RetentionKind::stack;
  return {group.kind, group.spare, list ? StackId::none : group.allocated_at, list ? group.largest : 0, group.holder};
}

// The first and the last one stay, and every other one between them when there are too many.
void add(RetentionTable::Point point, std::vector<RetentionTable::Point>& points) {
  points.push_back(point);
  if (points.size() <= RetentionTable::kMostPoints) return;
  std::vector<RetentionTable::Point> kept;
  for (std::size_t i = 0; i < points.size(); ++i)
    if (i % 2 == 0 || i + 1 == points.size()) kept.push_back(points[i]);
  points = std::move(kept);
}

}  // namespace

void RetentionTable::apply(const RetentionLook& record) {
  ++looks_;
  last_ = record;
  count_sizes(record);
  for (const RetainedGroup& group : record.groups) {
    const Key key = key_of(group);
    auto found = points_.find(key);
    if (found == points_.end()) {
      if (points_.size() >= kMostGroups) continue;
      found = points_.emplace(key, std::vector<Point>()).first;
    }
    add({record.time_ns, group.objects}, found->second);
  }
}

void RetentionTable::count_sizes(const RetentionLook& record) {
  std::map<Size, std::uint64_t> now;
  for (const RetainedGroup& group : record.groups) now[{group.kind, group.spare, group.largest}] += group.objects;
  for (const auto& [size, objects] : now)
    if (totals_.size() < kMostGroups || totals_.contains(size)) add({record.time_ns, objects}, totals_[size]);
}

const std::vector<RetentionTable::Point>& RetentionTable::points_of(RetentionKind kind, bool spare,
                                                                    std::uint64_t size) const {
  static const std::vector<Point> none;
  const auto found = totals_.find({kind, spare, size});
  return found == totals_.end() ? none : found->second;
}

std::uint64_t RetentionTable::more_of(RetentionKind kind, bool spare, std::uint64_t size) const {
  const auto& points = points_of(kind, spare, size);
  if (points.empty() || points.back().objects < points.front().objects) return 0;
  return points.back().objects - points.front().objects;
}

const std::vector<RetentionTable::Point>& RetentionTable::points(const RetainedGroup& group) const {
  static const std::vector<Point> none;
  const auto found = points_.find(key_of(group));
  return found == points_.end() ? none : found->second;
}

}  // namespace gotrace::model
