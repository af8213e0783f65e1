// Scenario: made-up records of a made-up process, in the order in which a live session sends them.
#pragma once

#include <cmath>
#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "model/model.h"

namespace gotrace::test {

constexpr std::uint64_t kSecond = 1'000'000'000;

class Scenario {
 public:
  explicit Scenario(double age_seconds = 100, double stuck_after_seconds = 300) {
    start_ns_ = static_cast<std::uint64_t>(age_seconds * 1e9);
    now_ns_ = start_ns_;
    SessionStart session;
    session.time_ns = start_ns_;
    session.stuck_after_ns = static_cast<std::uint64_t>(stuck_after_seconds * 1e9);
    model.accept(session);
    TargetInfo target;
    target.pid = 4242;
    target.started_ns = 1;
    target.gogc_percent = 100;
    target.wait_reasons = {"", "chan receive", "chan send", "select", "IO wait", "sync.Mutex.Lock"};
    target.size_classes.resize(kSizeClasses);
    for (std::size_t i = 1; i < kSizeClasses; ++i) target.size_classes[i] = static_cast<std::uint32_t>(i * 512);
    model.accept(target);
  }

  // A location with one frame.
  LocationId location(const std::string& function, int line, bool standard = false) {
    LocationRecord record;
    record.id = static_cast<LocationId>(++locations_);
    record.frames = {{function, "/src/app/" + function + ".go", line, false, standard}};
    model.accept(record);
    return record.id;
  }
  StackId stack(const std::vector<LocationId>& locations) {
    StackRecord record;
    record.id = static_cast<StackId>(++stacks_);
    record.locations = locations;
    model.accept(record);
    return record.id;
  }

  std::uint64_t start(LocationId created_at, StackId parked, std::uint8_t reason, std::uint64_t channel = 0,
                      std::uint64_t parent = 1) {
    return start_as(++goid_, created_at, parked, reason, channel, parent);
  }
  std::uint64_t start_as(std::uint64_t goid, LocationId created_at, StackId parked, std::uint8_t reason,
                         std::uint64_t channel = 0, std::uint64_t parent = 1) {
    GoroutineState state;
    state.goid = goid;
    state.parent_goid = parent;
    state.status = GoStatus::waiting;
    state.wait_reason = reason;
    state.created_at = created_at;
    state.stack = parked;
    state.stack_bytes = 2048;
    if (channel != 0) {
      state.wait_objects.push_back({WaitKind::channel, WaitDirection::unknown, false, false, channel, 0, 0});
      state.wait_object_count = 1;
    }
    model.accept(state);
    alive_.insert(state.goid);
    return state.goid;
  }
  // Returns the first of them.
  std::uint64_t skip_goids(std::uint64_t count) {
    goid_ += count;
    return goid_ - count + 1;
  }
  void end(std::uint64_t goid) {
    alive_.erase(goid);
    model.accept(GoroutinesGone{{goid}});
  }
  void look() {
    Snapshot snapshot;
    snapshot.time_ns = now_ns_;
    snapshot.goroutines = alive_.size();
    snapshot.newest_goid = goid_;
    model.accept(snapshot);
  }
  void pass(double seconds) { now_ns_ += static_cast<std::uint64_t>(seconds * 1e9); }

  // Allocator counters; `live` and `allocated` in objects of one size class.
  HeapCounters counters;
  void allocate(std::size_t size_class, double objects) {
    if (size_class == 0)
      counters.large_allocated_bytes += static_cast<std::uint64_t>(objects);
    else
      counters.allocated[size_class] += static_cast<std::uint64_t>(objects);
  }
  void free(std::size_t size_class, double objects) {
    if (size_class == 0)
      counters.large_freed_bytes += static_cast<std::uint64_t>(objects);
    else
      counters.freed[size_class] += static_cast<std::uint64_t>(objects);
  }
  void mark() {  // a GC begins now
    send_counters();
    counters.gc_running = true;
    send_counters();
  }
  void collect() {  // a GC ends now and sweeps at once
    send_counters();
    counters.gc_running = false;
    ++counters.gc_cycles;
    counters.last_gc_end_ns = now_ns_;
    send_counters();
  }
  void send_counters() {
    counters.time_ns = now_ns_;
    counters.by_class = true;
    model.accept(counters);
  }
  void sample(StackId site, std::size_t size_class, double objects) {
    AllocationSample record;
    record.time_ns = now_ns_;
    record.id = ++samples_;
    record.stack = site;
    record.size_class = static_cast<std::uint32_t>(size_class);
    record.size = size_class * 512;
    record.objects = static_cast<std::uint64_t>(objects);
    record.tracked = true;
    model.accept(record);
  }
  [[nodiscard]] std::uint64_t last_sample() const { return samples_; }
  // A sample of a large object, which nothing follows.
  // Its id; `tracked`: fates() will tell of its end.
  std::uint64_t sample_large(StackId site, std::uint64_t bytes, bool tracked = false) {
    AllocationSample record;
    record.tracked = tracked;
    record.time_ns = now_ns_;
    record.id = ++samples_;
    record.stack = site;
    record.size = bytes;
    record.objects = 1;
    model.accept(record);
    return record.id;
  }
  // What the heap profile says of a site now, in samples; sent before profile().
  void bucket(StackId site, std::uint64_t size, std::uint64_t allocs, std::uint64_t frees,
              std::uint64_t pending_allocs = 0) {
    HeapBucket record;
    record.stack = site;
    record.size = size;
    record.allocs = allocs;
    record.frees = frees;
    record.pending_allocs = pending_allocs;
    model.accept(record);
  }
  void profile() {
    HeapProfile record;
    record.time_ns = now_ns_;
    record.rate = 512 << 10;
    model.accept(record);
  }
  void fates(const std::vector<std::uint64_t>& dead) {
    AllocationFates record;
    record.time_ns = now_ns_;
    record.gc_cycle = counters.gc_cycles;
    record.mark_begin_ns = now_ns_;
    record.dead = dead;
    model.accept(record);
  }

  model::Model model;

 private:
  std::uint64_t start_ns_ = 0, now_ns_ = 0, goid_ = 0, samples_ = 0;
  std::uint32_t locations_ = 0, stacks_ = 0;
  std::set<std::uint64_t> alive_;
};

}  // namespace gotrace::test
