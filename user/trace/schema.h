// Which field of a record has which number in include/gotrace/trace.proto. One list serves writing and reading, so that
// they can't differ: `visit` calls v(number, member) for each member. Numbers are never reused or changed.
//
// Every field is written, also when it is 0; a reader that misses one (a file of an older minor version) keeps the
// default of record.h. The high-rate records have no list here: batches.h stores them in columns.
#pragma once

#include "records/record.h"

namespace gotrace::trace {

template <typename R>
struct Schema;  // `number`: of the record in message Record; only where it is an alternative of Record

// In message Record, beside the numbers below.
constexpr std::uint32_t kEventBatch = 30;
constexpr std::uint32_t kGoroutineBatch = 31;

template <>
struct Schema<Frame> {
  static void visit(auto& v, auto& r) {
    v(1, r.function);
    v(2, r.file);
    v(3, r.line);
    v(4, r.inlined);
    v(5, r.standard_library);
  }
};

template <>
struct Schema<MemoryLimit> {
  static void visit(auto& v, auto& r) {
    v(1, r.kind);
    v(2, r.path);
    v(3, r.bytes);
    v(4, r.used_bytes);
  }
};

template <>
struct Schema<LocationRecord> {
  static constexpr std::uint32_t number = 1;
  static void visit(auto& v, auto& r) {
    v(1, r.id);
    v(2, r.pc);
    v(3, r.frames);
  }
};

template <>
struct Schema<StackRecord> {
  static constexpr std::uint32_t number = 2;
  static void visit(auto& v, auto& r) {
    v(1, r.id);
    v(2, r.locations);
    v(3, r.truncated);
  }
};

template <>
struct Schema<SessionStart> {
  static constexpr std::uint32_t number = 3;
  static void visit(auto& v, auto& r) {
    v(1, r.tool_version);
    v(2, r.wall_ns);
    v(3, r.time_ns);
    v(4, r.interval_ns);
    v(5, r.stuck_after_ns);
    v(6, r.planned_duration_ns);
    v(7, r.max_overhead);
    v(8, r.probes);
  }
};

template <>
struct Schema<SessionEnd> {
  static constexpr std::uint32_t number = 4;
  static void visit(auto& v, auto& r) {
    v(1, r.time_ns);
    v(2, r.reason);
    v(3, r.own_cpu_ns);
    v(4, r.own_peak_rss_bytes);
  }
};

template <>
struct Schema<TargetInfo> {
  static constexpr std::uint32_t number = 5;
  static void visit(auto& v, auto& r) {
    v(1, r.pid);
    v(2, r.ns_pid);
    v(3, r.host);
    v(4, r.container_id);
    v(5, r.cgroup);
    v(6, r.exe);
    v(7, r.exe_deleted);
    v(8, r.module);
    v(9, r.version);
    v(10, r.vcs_revision);
    v(11, r.build_id);
    v(12, r.go_version);
    v(13, r.experiments);
    v(14, r.arch);
    v(15, r.stripped);
    v(16, r.pie);
    v(17, r.cgo);
    v(18, r.started_wall_ns);
    v(19, r.started_ns);
    v(20, r.memory_profile_rate);
    v(21, r.gogc_percent);
    v(22, r.gomemlimit_bytes);
    v(23, r.processors);
    v(24, r.layout_row);
    v(25, r.layout_exact);
    v(26, r.wait_reasons);
    v(27, r.size_classes);
  }
};

template <>
struct Schema<SourceState> {
  static constexpr std::uint32_t number = 6;
  static void visit(auto& v, auto& r) {
    v(1, r.time_ns);
    v(2, r.name);
    v(3, r.status);
    v(4, r.reason);
    v(5, r.fix);
  }
};

template <>
struct Schema<Gap> {
  static constexpr std::uint32_t number = 7;
  static void visit(auto& v, auto& r) {
    v(1, r.begin_ns);
    v(2, r.end_ns);
    v(3, r.reason);
  }
};

template <>
struct Schema<Loss> {
  static constexpr std::uint32_t number = 8;
  static void visit(auto& v, auto& r) {
    v(1, r.time_ns);
    v(2, r.cause);
    v(3, r.count);
  }
};

template <>
struct Schema<GoroutinesGone> {
  static constexpr std::uint32_t number = 9;
  static void visit(auto& v, auto& r) { v(1, r.goids); }
};

template <>
struct Schema<GoroutinesSeen> {
  static constexpr std::uint32_t number = 25;
  static void visit(auto& v, auto& r) {
    v(1, r.goids);
    v(2, r.wait_since_ns);
    v(3, r.stack_bytes);
  }
};

template <>
struct Schema<Snapshot> {
  static constexpr std::uint32_t number = 10;
  static void visit(auto& v, auto& r) {
    v(1, r.time_ns);
    v(2, r.sequence);
    v(3, r.goroutines);
    v(4, r.unwound);
    v(5, r.torn_stacks);
    v(6, r.unreadable);
    v(7, r.newest_goid);
    v(8, r.read_ns);
  }
};

template <>
struct Schema<WaitObjectHolders> {
  static constexpr std::uint32_t number = 11;
  static void visit(auto& v, auto& r) {
    v(1, r.time_ns);
    v(2, r.goid);
    v(3, r.address);
    v(4, r.complete);
    v(5, r.in_globals);
    v(6, r.other_stacks);
    v(7, r.heap_objects);
    v(8, r.held_heap_objects);
  }
};

template <>
struct Schema<AllocationFates> {
  static constexpr std::uint32_t number = 12;
  static void visit(auto& v, auto& r) {
    v(1, r.time_ns);
    v(2, r.gc_cycle);
    v(3, r.mark_begin_ns);
    v(4, r.dead);
    v(5, r.censored);
  }
};

template <>
struct Schema<ProbeState> {
  static constexpr std::uint32_t number = 13;
  static void visit(auto& v, auto& r) {
    v(1, r.time_ns);
    v(2, r.name);
    v(3, r.symbol);
    v(4, r.status);
    v(5, r.reason);
    v(6, r.attached_ns);
    v(7, r.window_ns);
    v(8, r.hits);
    v(9, r.lost);
    v(10, r.would_cost_percent);
  }
};

template <>
struct Schema<Overhead> {
  static constexpr std::uint32_t number = 14;
  static void visit(auto& v, auto& r) {
    v(1, r.time_ns);
    v(2, r.trap_ns);
    v(3, r.hits);
    v(4, r.bpf_run_ns);
    v(5, r.cost_ns);
    v(6, r.base_ns);
  }
};

template <>
struct Schema<TargetWrite> {
  static constexpr std::uint32_t number = 29;
  static void visit(auto& v, auto& r) {
    v(1, r.time_ns);
    v(2, r.what);
    v(3, r.address);
    v(4, r.old_value);
    v(5, r.new_value);
    v(6, r.restored);
  }
};

template <>
struct Schema<HeapBucket> {
  static constexpr std::uint32_t number = 15;
  static void visit(auto& v, auto& r) {
    v(1, r.stack);
    v(2, r.size);
    v(3, r.allocs);
    v(4, r.frees);
    v(5, r.pending_allocs);
    v(6, r.pending_frees);
  }
};

template <>
struct Schema<HeapProfile> {
  static constexpr std::uint32_t number = 16;
  static void visit(auto& v, auto& r) {
    v(1, r.time_ns);
    v(2, r.rate);
    v(3, r.cycle);
    v(4, r.buckets);
  }
};

template <>
struct Schema<HeapCounters> {
  static constexpr std::uint32_t number = 17;
  static void visit(auto& v, auto& r) {
    v(1, r.time_ns);
    v(2, r.gc_cycles);
    v(3, r.gc_running);
    v(4, r.swept);
    v(5, r.last_gc_end_ns);
    v(6, r.by_class);
    v(7, r.allocated);
    v(8, r.freed);
    v(9, r.large_allocated_bytes);
    v(10, r.large_freed_bytes);
    v(11, r.tiny_allocs);
    v(12, r.heap_live_bytes);
    v(13, r.heap_marked_bytes);
    v(14, r.heap_goal_bytes);
    v(15, r.heap_in_use_bytes);
    v(16, r.heap_free_bytes);
    v(17, r.stacks_bytes);
    v(18, r.runtime_bytes);
    v(19, r.gc_cpu_fraction);
  }
};

template <>
struct Schema<MemoryFigures> {
  static constexpr std::uint32_t number = 18;
  static void visit(auto& v, auto& r) {
    v(1, r.time_ns);
    v(2, r.vm_bytes);
    v(3, r.rss_bytes);
    v(4, r.shared_bytes);
    v(5, r.swap_bytes);
    v(6, r.rss_anon_bytes);
    v(7, r.rss_file_bytes);
    v(8, r.rss_shmem_bytes);
    v(9, r.machine_bytes);
    v(10, r.threads);
    v(11, r.open_files);
    v(12, r.cpu_ns);
    v(13, r.limits);
  }
};

template <>
struct Schema<ResourceCount> {
  static void visit(auto& v, auto& r) {
    v(1, r.name);
    v(2, r.location);
    v(3, r.id);
    v(4, r.count);
  }
};

template <>
struct Schema<ResourceLook> {
  static constexpr std::uint32_t number = 19;
  static void visit(auto& v, auto& r) {
    v(1, r.time_ns);
    v(2, r.kind);
    v(3, r.total);
    v(4, r.limit);
    v(5, r.arrived);
    v(6, r.left);
    v(7, r.complete);
    v(8, r.counts);
  }
};

template <>
struct Schema<RetainedGroup> {
  static void visit(auto& v, auto& r) {
    v(1, r.kind);
    v(2, r.spare);
    v(3, r.allocated_at);
    v(4, r.holder_used_at);
    v(5, r.holder);
    v(6, r.objects);
    v(7, r.bytes);
    v(8, r.used_bytes);
    v(9, r.references);
    v(10, r.smallest);
    v(11, r.largest);
    v(12, r.example_bytes);
    v(13, r.example_used);
    v(14, r.example_references);
    v(15, r.pointers);
    v(16, r.unused_pointers);
    v(17, r.goid);
  }
};

template <>
struct Schema<RetentionLook> {
  static constexpr std::uint32_t number = 26;
  static void visit(auto& v, auto& r) {
    v(1, r.time_ns);
    v(2, r.searches);
    v(3, r.complete);
    v(4, r.heap_bytes);
    v(5, r.to_read_bytes);
    v(6, r.read_bytes);
    v(7, r.objects);
    v(8, r.object_bytes);
    v(9, r.cpu_ns);
    v(10, r.groups);
    v(11, r.stacks);
    v(12, r.stacks_followed);
  }
};

template <>
struct Schema<ReachedGoroutines> {
  static void visit(auto& v, auto& r) {
    v(1, r.goid);
    v(2, r.goroutines);
    v(3, r.path);
    v(4, r.used_at);
  }
};

template <>
struct Schema<Proof> {
  static constexpr std::uint32_t number = 27;
  static void visit(auto& v, auto& r) {
    v(1, r.time_ns);
    v(2, r.off);
    v(3, r.pause_ns);
    v(4, r.predicted_ns);
    v(5, r.copied_bytes);
    v(6, r.heap_bytes);
    v(7, r.scannable_bytes);
    v(8, r.marked_objects);
    v(9, r.marked_bytes);
    v(10, r.scanned_bytes);
    v(11, r.mark_ns);
    v(12, r.goroutines);
    v(13, r.candidates);
    v(14, r.goids);
    v(15, r.held_bytes);
    v(16, r.deadlocks);
    v(17, r.reached);
  }
};

template <>
struct Schema<HeapRetainer> {
  static void visit(auto& v, auto& r) {
    v(1, r.kind);
    v(2, r.name);
    v(3, r.used_at);
    v(4, r.created_at);
    v(5, r.held_at);
    v(6, r.proved);
    v(7, r.goroutines);
    v(8, r.goid);
    v(9, r.instances);
    v(10, r.bytes);
    v(11, r.objects);
    v(12, r.path);
  }
};

template <>
struct Schema<HeapType> {
  static void visit(auto& v, auto& r) {
    v(1, r.name);
    v(2, r.object_bytes);
    v(3, r.instances);
    v(4, r.bytes);
    v(5, r.objects);
    v(6, r.path);
    v(7, r.used_at);
  }
};

template <>
struct Schema<HeapPath> {
  static void visit(auto& v, auto& r) {
    v(1, r.name);
    v(2, r.object_bytes);
    v(3, r.bytes);
    v(4, r.objects);
    v(5, r.path);
    v(6, r.used_at);
  }
};

template <>
struct Schema<HeapRetention> {
  static constexpr std::uint32_t number = 28;
  static void visit(auto& v, auto& r) {
    v(1, r.time_ns);
    v(2, r.off);
    v(3, r.took_ns);
    v(4, r.bytes);
    v(5, r.objects);
    v(6, r.references);
    v(7, r.retainers);
    v(8, r.types);
    v(9, r.asked);
    v(10, r.why_not);
    v(11, r.ways);
  }
};

}  // namespace gotrace::trace
