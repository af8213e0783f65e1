#include "model/resource_table.h"

#include <algorithm>

namespace gotrace::model {
namespace {

// Every other one, and the last: a long session keeps its whole span at a coarser step.
template <typename T>
void keep_every_other(std::vector<T>& values) {
  std::vector<T> kept;
  for (std::size_t i = 0; i < values.size(); ++i)
    if (i % 2 == 0 || i + 1 == values.size()) kept.push_back(values[i]);
  values = std::move(kept);
}

void thin(ResourceSeries& series) {
  auto& points = series.points;
  for (std::size_t i = 1; i + 1 < points.size(); i += 2) {
    points[i + 1].arrived += points[i].arrived;
    points[i + 1].left += points[i].left;
  }
  keep_every_other(points);
  for (auto& [key, counts] : series.counts) keep_every_other(counts);
}

}  // namespace

void ResourceTable::add_stack(LocationId created_at, std::uint64_t bytes) { stack_bytes_[created_at] += bytes; }

void ResourceTable::remove_stack(LocationId created_at, std::uint64_t bytes) {
  std::uint64_t& held = stack_bytes_[created_at];
  held -= std::min(held, bytes);
}

void ResourceTable::close_stacks(std::uint64_t time_ns) {
  ResourceLook look;
  look.time_ns = time_ns;
  for (const auto& [site, bytes] : stack_bytes_) {
    look.total += bytes;
    if (bytes >= kLeastStackBytes || stacks_.counts.contains({"", site, 0}))
      look.counts.push_back({"", site, 0, bytes});
  }
  add(look, stacks_);
}

void ResourceTable::apply(const ResourceLook& record, const std::optional<HeapCounters>& heap) {
  add(record, series_[static_cast<std::size_t>(record.kind) % kKinds]);
  if (record.kind != ResourceKind::mappings || !heap) return;
  double bytes = -static_cast<double>(heap->runtime_bytes);
  for (const ResourceCount& count : record.counts)
    if (count.name == "c heap" || count.name == "anonymous") bytes += static_cast<double>(count.count);
  outside_mapped_.push_back({record.time_ns, bytes});
  if (outside_mapped_.size() > kMostPoints) keep_every_other(outside_mapped_);
}

void ResourceTable::add(const ResourceLook& record, ResourceSeries& series) {
  series.points.push_back({record.time_ns, record.total, record.limit, record.arrived, record.left});
  series.complete = record.complete;
  for (auto& [key, counts] : series.counts) counts.push_back(0);
  for (const ResourceCount& count : record.counts) {
    const ResourceKey key{count.name, count.location, count.id};
    auto found = series.counts.find(key);
    if (found == series.counts.end()) {
      if (series.counts.size() >= kMostKeys) {
        ++evicted_;
        continue;
      }
      found = series.counts.emplace(key, std::vector<std::uint64_t>(series.points.size())).first;
    }
    found->second.back() += count.count;
  }
  if (series.points.size() > kMostPoints) thin(series);
}

void ResourceTable::apply(const MemoryFigures& record, const std::optional<HeapCounters>& heap) {
  if (!heap) return;
  const std::uint64_t known =
      heap->heap_in_use_bytes + heap->heap_free_bytes + heap->stacks_bytes + heap->runtime_bytes;
  const auto anonymous = static_cast<double>(record.rss_anon_bytes) + static_cast<double>(record.swap_bytes);
  outside_heap_.push_back({record.time_ns, anonymous - static_cast<double>(known)});
  if (outside_heap_.size() > kMostPoints) keep_every_other(outside_heap_);
}

}  // namespace gotrace::model
