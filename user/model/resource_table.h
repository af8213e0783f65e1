// ResourceTable: how the numbers of open files, threads, timers and the like moved, and the memory outside the Go heap.
//
// Everything is bounded: points in time are thinned out when many, names beyond a limit are counted as evicted.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "records/record.h"

namespace gotrace::model {

struct ResourceKey {  // what is counted by itself: see ResourceKind
  std::string name;
  LocationId location = LocationId::none;
  std::uint64_t id = 0;
  friend auto operator<=>(const ResourceKey&, const ResourceKey&) = default;
};

struct ResourcePoint {
  std::uint64_t time_ns = 0;
  std::uint64_t total = 0;
  std::uint64_t limit = 0;
  std::uint64_t arrived = 0;  // since the point before
  std::uint64_t left = 0;
};

struct ResourceSeries {
  std::vector<ResourcePoint> points;
  std::map<ResourceKey, std::vector<std::uint64_t>> counts;  // as many of each as there are points
  bool complete = true;                                      // of the last look
};

// Memory that the Go runtime does not account for. Signed: heap that was never touched is not resident.
struct OutsideHeap {
  std::uint64_t time_ns = 0;
  double bytes = 0;
};

class ResourceTable {
 public:
  static constexpr std::size_t kMostPoints = 512;
  static constexpr std::size_t kMostKeys = 1024;                // of each kind
  static constexpr std::uint64_t kLeastStackBytes = 256 << 10;  // of a creation site; smaller ones are not followed

  // `heap`: the allocator's counters of about that time; none: nothing is known of the heap.
  void apply(const ResourceLook& record, const std::optional<HeapCounters>& heap);
  void apply(const MemoryFigures& record, const std::optional<HeapCounters>& heap);

  // Stacks of goroutines, from their states: bytes by creation site (location).
  void add_stack(LocationId created_at, std::uint64_t bytes);
  void remove_stack(LocationId created_at, std::uint64_t bytes);
  void close_stacks(std::uint64_t time_ns);  // one look at all goroutines is complete

  [[nodiscard]] const ResourceSeries& stacks() const { return stacks_; }
  [[nodiscard]] const ResourceSeries& series(ResourceKind kind) const {
    return series_[static_cast<std::size_t>(kind) % kKinds];
  }
  // By resident memory less all that the allocator has; what it never touched makes that too little.
  [[nodiscard]] const std::vector<OutsideHeap>& outside_heap() const { return outside_heap_; }
  // By the pages of what is mapped and not the heap's, less what the runtime has for itself; looked at less often.
  [[nodiscard]] const std::vector<OutsideHeap>& outside_mapped() const { return outside_mapped_; }
  [[nodiscard]] std::uint64_t evicted() const { return evicted_; }

 private:
  static constexpr std::size_t kKinds = static_cast<std::size_t>(ResourceKind::finalizer_cycles) + 1;

  void add(const ResourceLook& record, ResourceSeries& series);

  std::array<ResourceSeries, kKinds> series_;
  ResourceSeries stacks_;
  std::map<LocationId, std::uint64_t> stack_bytes_;  // now, by creation site
  std::vector<OutsideHeap> outside_heap_;
  std::vector<OutsideHeap> outside_mapped_;
  std::uint64_t evicted_ = 0;
};

}  // namespace gotrace::model
