#include "model/retention_table.h"

namespace gotrace::model {
namespace {

RetentionTable::Key key_of(const RetainedGroup& group) {
  return {group.kind, group.spare, group.allocated_at, group.holder};
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
    auto& points = found->second;
    points.push_back({record.time_ns, group.objects});
    if (points.size() <= kMostPoints) continue;
    std::vector<Point> kept;
    for (std::size_t i = 0; i < points.size(); ++i)
      if (i % 2 == 0 || i + 1 == points.size()) kept.push_back(points[i]);
    points = std::move(kept);
  }
}

void RetentionTable::count_sizes(const RetentionLook& record) {
  std::map<Size, std::uint64_t> now;
  for (const RetainedGroup& group : record.groups) now[{group.kind, group.spare, group.largest}] += group.objects;
  for (auto& [size, total] : totals_) total.last = 0;
  for (const auto& [size, objects] : now) {
    if (totals_.size() >= kMostGroups && !totals_.contains(size)) continue;
    totals_.try_emplace(size, Total{objects, 0}).first->second.last = objects;
  }
}

std::uint64_t RetentionTable::more_of(RetentionKind kind, bool spare, std::uint64_t size) const {
  const auto found = totals_.find({kind, spare, size});
  if (found == totals_.end() || found->second.last < found->second.first) return 0;
  return found->second.last - found->second.first;
}

const std::vector<RetentionTable::Point>& RetentionTable::points(const RetainedGroup& group) const {
  static const std::vector<Point> none;
  const auto found = points_.find(key_of(group));
  return found == points_.end() ? none : found->second;
}

}  // namespace gotrace::model
