#include "model/heap_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace gotrace::model {
namespace {

constexpr std::size_t kMostFrames = 32;  // the runtime's profile records as many up to Go 1.22

bool of_runtime(const Frame& frame) { return std::string_view(frame.function).starts_with("runtime."); }

std::vector<Frame> without_runtime_ends(std::vector<Frame> frames) {
  const auto first = std::find_if_not(frames.begin(), frames.end(), of_runtime);
  if (first == frames.end()) return frames;  // the runtime allocates for itself
  frames.erase(frames.begin(), first);
  while (of_runtime(frames.back())) frames.pop_back();
  if (frames.size() > kMostFrames) frames.resize(kMostFrames);
  return frames;
}

std::string key_of(const std::vector<Frame>& frames) {
  std::string key;
  for (const Frame& frame : frames) key += fmt::format("{}\n{}\n{}\n", frame.function, frame.file, frame.line);
  return key;
}

double allocated_of(const HeapCounters& counters, std::size_t size_class) {
  return static_cast<double>(size_class == 0 ? counters.large_allocated_bytes : counters.allocated[size_class]);
}
double freed_of(const HeapCounters& counters, std::size_t size_class) {
  return static_cast<double>(size_class == 0 ? counters.large_freed_bytes : counters.freed[size_class]);
}

}  // namespace

std::optional<std::uint32_t> HeapTable::intern_site(StackId stack) {
  const auto id = static_cast<std::uint32_t>(stack);
  if (const auto found = site_by_stack_.find(id); found != site_by_stack_.end()) return found->second;
  std::vector<Frame> frames = without_runtime_ends(symbols_.expand(stack));
  std::optional<std::uint32_t> site;
  if (!frames.empty()) {
    const std::string key = key_of(frames);
    if (const auto known = site_by_frames_.find(key); known != site_by_frames_.end()) {
      site = known->second;
    } else if (sites_.size() < kMostSites) {
      site = static_cast<std::uint32_t>(sites_.size());
      site_by_frames_.emplace(key, *site);
      sites_.push_back({std::move(frames), {}, {}});
    } else {
      ++evicted_;
    }
  }
  site_by_stack_.emplace(id, site);
  return site;
}

void HeapTable::apply(const HeapBucket& record) {
  const auto site = intern_site(record.stack);
  if (!site) return;
  ProfileCount& count = sites_[*site].profile[record.size];
  count.allocs = record.allocs;
  count.frees = record.frees;
  count.pending_allocs = record.pending_allocs;
  count.pending_frees = record.pending_frees;
  if (profile_looks_ == 0) {
    count.first_allocs = record.allocs;
    count.first_frees = record.frees;
    count.first_pending_allocs = record.pending_allocs;
    count.first_pending_frees = record.pending_frees;
  }
}

void HeapTable::apply(const HeapProfile& record) {
  if (profile_looks_++ == 0) first_profile_ = record;
  profile_ = record;
}

void HeapTable::apply(const HeapCounters& record) {
  if (!first_) first_ = record;
  if (last_ && record.gc_cycles != last_->gc_cycles) note_gc_end(*last_, record);
  if (last_ && record.gc_running) note_mark_begin(*last_, record);
  if (awaiting_sweep_ && record.swept && !record.gc_running && record.gc_cycles == awaiting_sweep_->cycle)
    add_point(record);
  last_ = record;
}

HeapTable::Moment HeapTable::between(const HeapCounters& before, const HeapCounters& now, double share) {
  Moment moment;
  moment.time_ns =
      before.time_ns + static_cast<std::uint64_t>(share * static_cast<double>(now.time_ns - before.time_ns));
  moment.cycle = now.gc_cycles;
  for (std::size_t i = 0; i < kSizeClasses; ++i) {
    const double from = allocated_of(before, i);
    moment.allocated[i] = from + share * (allocated_of(now, i) - from);
  }
  return moment;
}

// Somewhere between the last record without a mark and the first with it.
void HeapTable::note_mark_begin(const HeapCounters& before, const HeapCounters& now) {
  const bool known = before.gc_running && before.gc_cycles == now.gc_cycles;
  if (!known && now.time_ns >= before.time_ns) mark_begin_ = between(before, now, 0.5);
}

// What is allocated while a GC marks is left alone by it, garbage or not (runtime/mgc.go: objects are allocated black),
// so what it spared of all that was allocated before it began is what was in use then. Where a mark was too short to be
// seen, its end stands for its beginning; between two records the counters are interpolated.
void HeapTable::note_gc_end(const HeapCounters& before, const HeapCounters& now) {
  awaiting_sweep_.reset();
  if (!now.by_class || !before.by_class) return;
  const std::uint64_t end_ns = now.last_gc_end_ns != 0 ? now.last_gc_end_ns : now.time_ns;
  const double span = static_cast<double>(now.time_ns - before.time_ns);
  const double after = static_cast<double>(std::clamp(end_ns, before.time_ns, now.time_ns) - before.time_ns);
  const bool seen = mark_begin_ && mark_begin_->cycle + 1 == now.gc_cycles;
  const Moment moment = seen ? *mark_begin_ : between(before, now, span > 0 ? after / span : 1);
  awaiting_sweep_ = GcPoint{moment.time_ns, now.gc_cycles, {}, moment.allocated, now.heap_marked_bytes};
}

void HeapTable::add_point(const HeapCounters& now) {
  GcPoint point = *awaiting_sweep_;
  awaiting_sweep_.reset();
  for (std::size_t i = 0; i < kSizeClasses; ++i) point.live[i] = std::max(0.0, point.allocated[i] - freed_of(now, i));
  points_.push_back(point);
  if (points_.size() > kMostPoints) thin_points();
}

// Drops every other point but the first and the last: a long session keeps its whole span at a coarser step.
void HeapTable::thin_points() {
  std::vector<GcPoint> kept;
  for (std::size_t i = 0; i < points_.size(); i += 2) kept.push_back(points_[i]);
  if (kept.back().cycle != points_.back().cycle) kept.push_back(points_.back());
  points_ = std::move(kept);
}

void HeapTable::apply(const AllocationSample& record) {
  ++samples_;
  sampled_bytes_ += static_cast<double>(record.objects) * static_cast<double>(record.size);
  const auto site = intern_site(record.stack);
  if (!site || record.size_class >= kSizeClasses) return;
  SampleCount& count = sites_[*site].samples[record.size_class];
  const auto objects = static_cast<double>(record.objects);
  ++count.hits;
  count.objects += objects;
  count.bytes += objects * static_cast<double>(record.size);
  if (!record.tracked) return;
  if (tracked_.size() >= kMostTracked) {
    ++evicted_;
    return;
  }
  tracked_by_id_.emplace(record.id, tracked_.size());
  tracked_.push_back({*site, record.size_class, record.time_ns, objects, false, false, 0});
}

void HeapTable::apply(const AllocationFates& record) {
  for (const std::uint64_t id : record.dead) {
    const auto found = tracked_by_id_.find(id);
    if (found == tracked_by_id_.end()) continue;
    TrackedSample& sample = tracked_[found->second];
    sample.judged = true;
    sample.dead = true;
    sample.died_ns = record.time_ns;
    tracked_by_id_.erase(found);
  }
  for (const std::uint64_t id : record.censored) {  // what is no longer watched can't be said to live
    const auto found = tracked_by_id_.find(id);
    if (found == tracked_by_id_.end()) continue;
    tracked_[found->second].judged = false;
    tracked_[found->second].objects = 0;
    tracked_by_id_.erase(found);
  }
  for (const auto& [id, index] : tracked_by_id_) {
    if (tracked_[index].time_ns < record.mark_begin_ns) tracked_[index].judged = true;
  }
}

}  // namespace gotrace::model
