// HeapTable: what the allocator's counters say after each GC, by size class, and who allocated (the runtime's heap
// profile and allocation samples), by call site.
//
// A call site is a stack without the runtime's own frames; the profile and the probes agree on it. Everything is
// bounded: GC points are thinned out when many, sites beyond a limit are counted as evicted.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

#include "model/symbols.h"
#include "records/record.h"

namespace gotrace::model {

using ClassCounts = std::array<double, kSizeClasses>;  // [0] is large objects, in bytes; the others in objects

struct GcPoint {              // the heap as one GC found it
  std::uint64_t time_ns = 0;  // start of marking where that was seen, else its end
  std::uint32_t cycle = 0;
  ClassCounts live{};       // survivors: allocated until then less everything freed by that cycle's sweep
  ClassCounts allocated{};  // cumulative, until then
  std::uint64_t marked_bytes = 0;
};

struct ProfileCount {                                   // raw (unscaled) samples of one site and object size
  std::uint64_t allocs = 0, frees = 0;                  // published, at the latest look
  std::uint64_t pending_allocs = 0, pending_frees = 0;  // at the latest look
  std::uint64_t first_allocs = 0, first_frees = 0;      // published, at the first look
  std::uint64_t first_pending_allocs = 0, first_pending_frees = 0;
};

struct SampleCount {  // allocation samples of one site and size class
  std::uint64_t hits = 0;
  double objects = 0;  // allocations that the hits stand for
  double bytes = 0;
};

struct TrackedSample {
  std::uint32_t site = 0;
  std::uint32_t size_class = 0;
  std::uint64_t time_ns = 0;
  double objects = 0;
  bool judged = false;  // a GC has had the chance to free it
  bool dead = false;
  std::uint64_t died_ns = 0;
};

struct AllocationSite {
  std::vector<Frame> stack;                       // innermost first, the runtime's frames at both ends taken off
  std::map<std::uint64_t, ProfileCount> profile;  // by object size
  std::map<std::uint32_t, SampleCount> samples;   // by size class
};

class HeapTable {
 public:
  static constexpr std::size_t kMostPoints = 512;
  static constexpr std::size_t kMostSites = 50'000;
  static constexpr std::size_t kMostTracked = 200'000;

  explicit HeapTable(const Symbols& symbols) : symbols_(symbols) {}

  void apply(const HeapBucket& record);
  void apply(const HeapProfile& record);
  void apply(const HeapCounters& record);
  void apply(const AllocationSample& record);
  void apply(const AllocationFates& record);

  [[nodiscard]] const std::vector<AllocationSite>& sites() const { return sites_; }
  [[nodiscard]] const std::vector<GcPoint>& points() const { return points_; }
  [[nodiscard]] const std::optional<HeapCounters>& first() const { return first_; }
  [[nodiscard]] const std::optional<HeapCounters>& last() const { return last_; }
  [[nodiscard]] std::uint64_t profile_looks() const { return profile_looks_; }
  [[nodiscard]] const std::optional<HeapProfile>& profile() const { return profile_; }
  [[nodiscard]] const std::optional<HeapProfile>& first_profile() const { return first_profile_; }
  [[nodiscard]] const std::vector<TrackedSample>& tracked() const { return tracked_; }
  [[nodiscard]] std::uint64_t samples() const { return samples_; }
  // Of all samples, each for as many objects as it stands for.
  [[nodiscard]] double sampled_bytes() const { return sampled_bytes_; }
  [[nodiscard]] std::uint64_t evicted() const { return evicted_; }

 private:
  std::optional<std::uint32_t> intern_site(StackId stack);
  struct Moment {
    std::uint64_t time_ns = 0;
    std::uint32_t cycle = 0;  // that was the last to be completed then
    ClassCounts allocated{};
  };
  static Moment between(const HeapCounters& before, const HeapCounters& now, double share);
  void note_mark_begin(const HeapCounters& before, const HeapCounters& now);
  void note_gc_end(const HeapCounters& before, const HeapCounters& now);
  void add_point(const HeapCounters& now);
  void thin_points();

  const Symbols& symbols_;
  std::vector<AllocationSite> sites_;
  std::unordered_map<std::uint32_t, std::optional<std::uint32_t>> site_by_stack_;
  std::map<std::string, std::uint32_t> site_by_frames_;
  std::vector<GcPoint> points_;
  std::optional<Moment> mark_begin_;
  std::optional<GcPoint> awaiting_sweep_;
  std::optional<HeapCounters> first_, last_;
  std::optional<HeapProfile> profile_, first_profile_;
  std::vector<TrackedSample> tracked_;
  std::unordered_map<std::uint64_t, std::size_t> tracked_by_id_;
  std::uint64_t profile_looks_ = 0;
  std::uint64_t samples_ = 0;
  double sampled_bytes_ = 0;
  std::uint64_t evicted_ = 0;
};

}  // namespace gotrace::model
