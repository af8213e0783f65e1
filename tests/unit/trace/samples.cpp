#include "samples.h"

#include <bit>
#include <cmath>
#include <limits>
#include <stdexcept>

namespace gotrace::trace::test {
namespace {

// Adding an alternative to Record must lead here: add it to both lists below and to `Members` and change the number.
static_assert(std::variant_size_v<Record> == 29);

constexpr std::uint64_t kHuge = std::numeric_limits<std::uint64_t>::max();

TargetInfo target_info() {
  TargetInfo t;
  t.pid = 4242;
  t.ns_pid = 1;
  t.host = "host-a";
  t.container_id = "3f9c0a7be112";
  t.cgroup = "/kube/pod1";
  t.exe = "/usr/local/bin/orderd";
  t.exe_deleted = true;
  t.module = "example.com/orderd";
  t.version = "v1.2.3";
  t.vcs_revision = "abcdef01";
  t.build_id = "00ff";
  t.go_version = "go1.24.4";
  t.experiments = {"greenteagc", "", "swissmap"};
  t.arch = "amd64";
  t.stripped = true;
  t.pie = true;
  t.cgo = true;
  t.started_wall_ns = -5;
  t.started_ns = 77;
  t.memory_profile_rate = 524288;
  t.gogc_percent = -1;
  t.gomemlimit_bytes = std::numeric_limits<std::int64_t>::max();
  t.processors = 8;
  t.layout_row = "go1.24";
  t.layout_exact = false;
  t.wait_reasons = {"", "chan send", "select \xff\xfe"};
  t.size_classes = {0, 8, 16, 32768};
  return t;
}

GoroutineState goroutine() {
  GoroutineState g;
  g.goid = 81'340;
  g.parent_goid = 17;
  g.status = GoStatus::waiting;
  g.wait_reason = 13;
  g.ran = false;
  g.stack_torn = true;
  g.system = true;
  g.wait_since_ns = 123'456'789'012;
  g.stack_bytes = 8'192;
  g.created_at = LocationId{1};
  g.start = LocationId{2};
  g.stack = StackId{1};
  g.wait_object_count = 300;
  g.wait_objects = {
      {WaitKind::channel, WaitDirection::send, true, false, 0xc000123456, 3, 4},
      {WaitKind::nil_channel, WaitDirection::receive, false, true, kHuge, 5, 6},
      {WaitKind::condition, WaitDirection::unknown, false, false, 1, kHuge, kHuge},
  };
  return g;
}

HeapCounters heap_counters() {
  HeapCounters h;
  h.time_ns = 900;
  h.gc_cycles = 901;
  h.gc_running = true;
  h.swept = false;
  h.last_gc_end_ns = 902;
  h.by_class = true;
  for (std::size_t i = 0; i < kSizeClasses; ++i) {
    h.allocated[i] = 1'000'000 * i;
    h.freed[i] = kHuge - i;
  }
  h.large_allocated_bytes = 903;
  h.large_freed_bytes = 904;
  h.tiny_allocs = 905;
  h.heap_live_bytes = 906;
  h.heap_marked_bytes = 907;
  h.heap_goal_bytes = 908;
  h.heap_in_use_bytes = 909;
  h.heap_free_bytes = 910;
  h.stacks_bytes = 911;
  h.runtime_bytes = 912;
  h.gc_cpu_fraction = 0.1 + 0.2;
  return h;
}

MemoryFigures memory_figures() {
  MemoryFigures m;
  m.time_ns = 950;
  m.vm_bytes = 951;
  m.rss_bytes = 952;
  m.shared_bytes = 953;
  m.swap_bytes = 954;
  m.rss_anon_bytes = 955;
  m.rss_file_bytes = 956;
  m.rss_shmem_bytes = 957;
  m.machine_bytes = 958;
  m.threads = 959;
  m.open_files = 960;
  m.cpu_ns = 961;
  m.limits = {{LimitKind::cgroup, "/a", 1, 2}, {LimitKind::rlimit, "", 3, 4}, {LimitKind::machine, "m", 5, kHuge}};
  return m;
}

ProbeState probe_state() {
  ProbeState p;
  p.time_ns = 801;
  p.name = "births";
  p.symbol = "runtime.newproc";
  p.status = ProbeStatus::withheld;
  p.reason = "would cost 31 %";
  p.attached_ns = 802;
  p.window_ns = 803;
  p.hits = 804;
  p.lost = 805;
  p.would_cost_percent = std::nextafter(31.0, 32.0);
  return p;
}

void add_symbols(std::vector<Record>& out) {
  out.emplace_back(
      LocationRecord{LocationId{1},
                     0x401234,
                     {{"main.f", "/src/main.go", 12, true, false}, {"main.g", "/src/g.go", -3, false, true}}});
  out.emplace_back(LocationRecord{LocationId{2}, kHuge, {{"?", "", 0, false, false}}});
  out.emplace_back(StackRecord{StackId{1}, {LocationId{2}, LocationId{1}, LocationId{2}}, true});
  out.emplace_back(StackRecord{StackId{2}, {}, false});
}

}  // namespace

std::vector<Record> one_of_each() {
  std::vector<Record> out;
  out.emplace_back(SessionStart{"0.1.0", -1, 1'000, 2'000, 3'000, 4'000, "1%", "auto"});
  // Flags have no values of their own: the pattern over several records tells them apart.
  TargetInfo target = target_info();
  out.emplace_back(target);
  target.pie = false;
  target.exe_deleted = false;
  out.emplace_back(target);
  target.pie = true;
  target.cgo = false;
  out.emplace_back(target);
  add_symbols(out);
  out.emplace_back(SourceState{101, "heap-profile", SourceStatus::failed, "off", "switch it on"});
  out.emplace_back(Gap{201, 202, "stopped"});
  out.emplace_back(Loss{301, "events", kHuge});
  out.emplace_back(goroutine());
  out.emplace_back(GoroutinesGone{{5, 3, kHuge, 0, 7}});
  out.emplace_back(GoroutinesSeen{{5, 3, kHuge}, {kHuge, 0, 411}, {2048, kHuge, 0}});
  out.emplace_back(Snapshot{401, 402, 403, 404, 405, 406, 407, 408});
  out.emplace_back(WaitObjectHolders{501, 502, 503, true, false, 504, 505, 506});
  out.emplace_back(Birth{601, 602, LocationId{2}, StackId{1}});
  out.emplace_back(Park{611, 612, 255});
  out.emplace_back(End{600, kHuge});  // events need not come in the order of their times
  out.emplace_back(Park{kHuge, 1, 1});
  out.emplace_back(AllocationSample{631, 632, 633, StackId{2}, 634, 635, 636, true});
  out.emplace_back(AllocationFates{701, 702, 703, {9, 8, 1'000'000}, {kHuge, 1}});
  out.emplace_back(probe_state());
  out.emplace_back(Overhead{851, 852, 853, 854, {}, {}});
  out.emplace_back(TargetWrite{990, "runtime.MemProfileRate", 0xc000, 0, 524288, true});
  out.emplace_back(HeapBucket{StackId{1}, 861, 862, 863, 864, 865});
  out.emplace_back(HeapProfile{871, 872, 873, 874});
  HeapCounters counters = heap_counters();
  out.emplace_back(counters);
  counters.by_class = false;
  out.emplace_back(counters);
  out.emplace_back(memory_figures());
  out.emplace_back(ResourceLook{970,
                                ResourceKind::finalizers,
                                971,
                                972,
                                973,
                                974,
                                false,
                                {{"a", LocationId{1}, 975, kHuge}, {"", LocationId{}, 0, 1}}});
  RetentionLook retention{990, 991, false, 992, 993, 994, 995, 996, 997, 998, 999, {}};
  retention.groups = {{RetentionKind::elements, true, StackId{1}, LocationId{1}, "main.cache", 1000, 1001, 1002, 1003,
                       1004, 1005, 1006, 1007, 1008, 1009, kHuge, 1010},
                      {}};
  out.emplace_back(retention);
  Proof proof{1010, "no", 1011, 1012, 1013, 1014, 1015, 1016, 1017, 1018, 1019, 1020, 1021, {}, {}, {}, {}};
  proof.goids = {1, 7, kHuge};
  proof.held_bytes = {1022, 0, kHuge};
  proof.deadlocks = {0, 1, 0xffffffff};
  proof.reached = {{1023, 1024, "main.registry", LocationId{1}}, {}};
  out.emplace_back(proof);
  HeapRetention heap{1030, "big", 1031, 1032, 1033, kHuge, {}, {}, "0xc000", "garbage", {}};
  heap.retainers = {{RetainerKind::runtime, "main.cache", LocationId{1}, LocationId{2}, LocationId{1}, true, 1034, 1035,
                     1036, 1037, kHuge, "a -> b"},
                    {}};
  heap.types = {{"main.entry", 1038, 1039, 1040, 1041, "c -> d", LocationId{2}}, {}};
  heap.ways = {{"main.entry", 1042, 1043, 1044, "e -> f", LocationId{1}}, {}};
  out.emplace_back(heap);
  out.emplace_back(SessionEnd{980, EndReason::target_exited, 981, 982});
  return out;
}

std::vector<Record> one_of_each_empty() {
  std::vector<Record> out;
  out.emplace_back(SessionStart{});
  TargetInfo target;
  target.layout_exact = false;
  out.emplace_back(target);
  target.memory_profile_rate = 0;  // known to be 0, which is not the same as unknown
  target.gogc_percent = 0;
  target.gomemlimit_bytes = 0;
  out.emplace_back(target);
  out.emplace_back(LocationRecord{LocationId{1}, 0, {Frame{}}});
  out.emplace_back(StackRecord{StackId{1}, {}, false});
  out.emplace_back(SourceState{});
  out.emplace_back(Gap{});
  out.emplace_back(Loss{});
  GoroutineState state;
  state.ran = false;
  out.emplace_back(state);
  out.emplace_back(GoroutinesGone{});
  out.emplace_back(GoroutinesSeen{});
  out.emplace_back(Snapshot{});
  out.emplace_back(WaitObjectHolders{});
  out.emplace_back(Birth{});
  out.emplace_back(Park{});
  out.emplace_back(End{});
  AllocationSample sample;
  sample.objects = 0;
  out.emplace_back(sample);
  out.emplace_back(AllocationFates{});
  ProbeState probe;
  out.emplace_back(probe);
  probe.would_cost_percent = -0.0;
  out.emplace_back(probe);
  out.emplace_back(Overhead{});
  out.emplace_back(Overhead{0, 0, 0, 0, 0, 0});
  out.emplace_back(Overhead{0, {}, 0, 0, 855, UINT64_MAX});
  out.emplace_back(HeapBucket{});
  out.emplace_back(TargetWrite{});
  out.emplace_back(HeapProfile{});
  HeapCounters counters;
  counters.swept = false;
  out.emplace_back(counters);
  counters.gc_cpu_fraction = std::numeric_limits<double>::quiet_NaN();
  out.emplace_back(counters);
  out.emplace_back(MemoryFigures{});
  ResourceLook resources;
  resources.complete = false;
  out.emplace_back(resources);
  RetentionLook retention;
  retention.complete = false;
  out.emplace_back(retention);
  out.emplace_back(Proof{});
  out.emplace_back(HeapRetention{});
  out.emplace_back(SessionEnd{});
  return out;
}

// ---------------------------------------------------------------- text, independent of the schema that is tested
namespace {

// How many members each struct has, counted by aggregate initialisation: a member that is added to a record, and not
// to the texts below, must not go unseen.
struct Anything {
  template <typename T>
  operator T() const {  // NOLINT(google-explicit-constructor): that is its purpose
    throw std::logic_error("only named, never called");
  }
};
template <typename R, typename... Args>
constexpr std::size_t members() {
  if constexpr (requires { R{Args{}..., Anything{}}; }) {
    return members<R, Args..., Anything>();
  } else {
    return sizeof...(Args);
  }
}

class Text {
 public:
  std::string out;

  template <typename... Ts>
  void add(const Ts&... values) {
    (one(values), ...);
  }

 private:
  void one(bool value) { out += value ? "true " : "false "; }
  void one(double value) { out += "double " + std::to_string(std::bit_cast<std::uint64_t>(value)) + ' '; }
  void one(const std::string& value) { out += '"' + value + "\" "; }
  template <std::integral T>
  void one(T value) {
    out += std::to_string(value) + ' ';
  }
  template <typename T>
  requires std::is_enum_v<T>
  void one(T value) { out += '#' + std::to_string(static_cast<std::uint64_t>(value)) + ' '; }
  template <typename T>
  void one(const std::optional<T>& value) {
    if (value) {
      one(*value);
    } else {
      out += "absent ";
    }
  }
  template <typename T>
  void list(const T& values) {
    out += '[';
    for (const auto& value : values) one(value);
    out += "] ";
  }
  template <typename T>
  void one(const std::vector<T>& values) {
    list(values);
  }
  void one(const WaitObjectList& values) { list(values); }
  template <std::size_t N>
  void one(const std::array<std::uint64_t, N>& values) {
    list(values);
  }
  template <typename R>
  requires std::is_aggregate_v<R>
  void one(const R& r) {
    out += '{';
    fields(r);
    out += "} ";
  }

  template <typename R, typename... Ts>
  void all(const R&, const Ts&... values) {
    static_assert(members<R>() == sizeof...(Ts), "a member is not part of the text");
    add(values...);
  }

 public:
  void fields(const Frame& r) { all(r, r.function, r.file, r.line, r.inlined, r.standard_library); }
  void fields(const MemoryLimit& r) { all(r, r.kind, r.path, r.bytes, r.used_bytes); }
  void fields(const WaitObject& r) { all(r, r.kind, r.direction, r.timer, r.closed, r.address, r.length, r.capacity); }
  void fields(const LocationRecord& r) { all(r, r.id, r.pc, r.frames); }
  void fields(const StackRecord& r) { all(r, r.id, r.locations, r.truncated); }
  void fields(const SessionStart& r) {
    all(r, r.tool_version, r.wall_ns, r.time_ns, r.interval_ns, r.stuck_after_ns, r.planned_duration_ns, r.max_overhead,
        r.probes);
  }
  void fields(const SessionEnd& r) { all(r, r.time_ns, r.reason, r.own_cpu_ns, r.own_peak_rss_bytes); }
  void fields(const TargetInfo& r) {
    all(r, r.pid, r.ns_pid, r.host, r.container_id, r.cgroup, r.exe, r.exe_deleted, r.module, r.version, r.vcs_revision,
        r.build_id, r.go_version, r.experiments, r.arch, r.stripped, r.pie, r.cgo, r.started_wall_ns, r.started_ns,
        r.memory_profile_rate, r.gogc_percent, r.gomemlimit_bytes, r.processors, r.layout_row, r.layout_exact,
        r.wait_reasons, r.size_classes);
  }
  void fields(const SourceState& r) { all(r, r.time_ns, r.name, r.status, r.reason, r.fix); }
  void fields(const Gap& r) { all(r, r.begin_ns, r.end_ns, r.reason); }
  void fields(const Loss& r) { all(r, r.time_ns, r.cause, r.count); }
  void fields(const GoroutineState& r) {
    all(r, r.goid, r.parent_goid, r.status, r.wait_reason, r.ran, r.stack_torn, r.system, r.wait_since_ns,
        r.stack_bytes, r.created_at, r.start, r.stack, r.wait_object_count, r.wait_objects);
  }
  void fields(const GoroutinesGone& r) { all(r, r.goids); }
  void fields(const GoroutinesSeen& r) { all(r, r.goids, r.wait_since_ns, r.stack_bytes); }
  void fields(const Snapshot& r) {
    all(r, r.time_ns, r.sequence, r.goroutines, r.unwound, r.torn_stacks, r.unreadable, r.newest_goid, r.read_ns);
  }
  void fields(const WaitObjectHolders& r) {
    all(r, r.time_ns, r.goid, r.address, r.complete, r.in_globals, r.other_stacks, r.heap_objects, r.held_heap_objects);
  }
  void fields(const Birth& r) { all(r, r.time_ns, r.creator_goid, r.start, r.stack); }
  void fields(const Park& r) { all(r, r.time_ns, r.goid, r.wait_reason); }
  void fields(const End& r) { all(r, r.time_ns, r.goid); }
  void fields(const AllocationSample& r) {
    all(r, r.time_ns, r.id, r.goid, r.stack, r.size_class, r.size, r.objects, r.tracked);
  }
  void fields(const AllocationFates& r) { all(r, r.time_ns, r.gc_cycle, r.mark_begin_ns, r.dead, r.censored); }
  void fields(const ProbeState& r) {
    all(r, r.time_ns, r.name, r.symbol, r.status, r.reason, r.attached_ns, r.window_ns, r.hits, r.lost,
        r.would_cost_percent);
  }
  void fields(const TargetWrite& r) { all(r, r.time_ns, r.what, r.address, r.old_value, r.new_value, r.restored); }
  void fields(const Overhead& r) { all(r, r.time_ns, r.trap_ns, r.hits, r.bpf_run_ns, r.cost_ns, r.base_ns); }
  void fields(const HeapBucket& r) { all(r, r.stack, r.size, r.allocs, r.frees, r.pending_allocs, r.pending_frees); }
  void fields(const HeapProfile& r) { all(r, r.time_ns, r.rate, r.cycle, r.buckets); }
  void fields(const HeapCounters& r) {
    // Two of its members are arrays, whose elements aggregate initialisation counts one by one.
    add(r.time_ns, r.gc_cycles, r.gc_running, r.swept, r.last_gc_end_ns, r.by_class, r.allocated, r.freed,
        r.large_allocated_bytes, r.large_freed_bytes, r.tiny_allocs, r.heap_live_bytes, r.heap_marked_bytes,
        r.heap_goal_bytes, r.heap_in_use_bytes, r.heap_free_bytes, r.stacks_bytes, r.runtime_bytes, r.gc_cpu_fraction);
    static_assert(sizeof(HeapCounters) == (2 * kSizeClasses + 16) * 8, "a member is not part of the text");
  }
  void fields(const MemoryFigures& r) {
    all(r, r.time_ns, r.vm_bytes, r.rss_bytes, r.shared_bytes, r.swap_bytes, r.rss_anon_bytes, r.rss_file_bytes,
        r.rss_shmem_bytes, r.machine_bytes, r.threads, r.open_files, r.cpu_ns, r.limits);
  }
  void fields(const ResourceCount& r) { all(r, r.name, r.location, r.id, r.count); }
  void fields(const ResourceLook& r) {
    all(r, r.time_ns, r.kind, r.total, r.limit, r.arrived, r.left, r.complete, r.counts);
  }
  void fields(const RetainedGroup& r) {
    all(r, r.kind, r.spare, r.allocated_at, r.holder_used_at, r.holder, r.objects, r.bytes, r.used_bytes, r.references,
        r.smallest, r.largest, r.example_bytes, r.example_used, r.example_references, r.pointers, r.unused_pointers,
        r.goid);
  }
  void fields(const RetentionLook& r) {
    all(r, r.time_ns, r.searches, r.complete, r.heap_bytes, r.to_read_bytes, r.read_bytes, r.objects, r.object_bytes,
        r.cpu_ns, r.groups, r.stacks, r.stacks_followed);
  }
  void fields(const ReachedGoroutines& r) { all(r, r.goid, r.goroutines, r.path, r.used_at); }
  void fields(const Proof& r) {
    all(r, r.time_ns, r.off, r.pause_ns, r.predicted_ns, r.copied_bytes, r.heap_bytes, r.scannable_bytes,
        r.marked_objects, r.marked_bytes, r.scanned_bytes, r.mark_ns, r.goroutines, r.candidates, r.goids, r.held_bytes,
        r.deadlocks, r.reached);
  }
  void fields(const HeapRetainer& r) {
    all(r, r.kind, r.name, r.used_at, r.created_at, r.held_at, r.proved, r.goroutines, r.goid, r.instances, r.bytes,
        r.objects, r.path);
  }
  void fields(const HeapType& r) { all(r, r.name, r.object_bytes, r.instances, r.bytes, r.objects, r.path, r.used_at); }
  void fields(const HeapPath& r) { all(r, r.name, r.object_bytes, r.bytes, r.objects, r.path, r.used_at); }
  void fields(const HeapRetention& r) {
    all(r, r.time_ns, r.off, r.took_ns, r.bytes, r.objects, r.references, r.retainers, r.types, r.asked, r.why_not,
        r.ways);
  }
};

}  // namespace

std::string text_of(const Record& record) {
  Text text;
  text.out = std::to_string(record.index()) + ": ";
  std::visit([&text](const auto& r) { text.fields(r); }, record);
  return text.out;
}

std::vector<std::string> texts_of(const std::vector<Record>& records) {
  std::vector<std::string> out;
  out.reserve(records.size());
  for (const Record& record : records) out.push_back(text_of(record));
  return out;
}

}  // namespace gotrace::trace::test
