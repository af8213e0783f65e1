// Record: the spine. Everything that is learned from a target is one of these values; live and replay differ only in
// where they come from. Nothing to the right of the records (model, detectors, reports) touches the process, the clock
// or the kernel: time is what the records say.
//
// Times (`*_ns`) are CLOCK_MONOTONIC nanoseconds of the target's host, the clock of Go's nanotime() and of
// bpf_ktime_get_ns(). Sizes are bytes. Addresses are the target's. Program counters are stored as link-time addresses
// (load bias taken off), so that they agree between hosts.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace gotrace {

enum class LocationId : std::uint32_t { none = 0 };  // one program counter, expanded to its inlined frames
enum class StackId : std::uint32_t { none = 0 };     // a sequence of locations, innermost first

// ---------------------------------------------------------------- symbols
struct Frame {
  std::string function;  // as the Go linker names it: "net/http.(*conn).serve"
  std::string file;      // full path as recorded by the compiler
  std::int32_t line = 0;
  bool inlined = false;           // this call was inlined into the next outer frame
  bool standard_library = false;  // belongs to GOROOT (runtime included)
  friend bool operator==(const Frame&, const Frame&) = default;
};

// Ids are handed out once, counting up from 1; a record that uses an id comes after the record that defines it.
struct LocationRecord {
  LocationId id = LocationId::none;
  std::uint64_t pc = 0;
  std::vector<Frame> frames;  // innermost first; never empty (an unknown pc has function "?" )
};
struct StackRecord {
  StackId id = StackId::none;
  std::vector<LocationId> locations;  // innermost first
  bool truncated = false;             // there were more frames than could be read
};

// ---------------------------------------------------------------- session
struct SessionStart {
  std::string tool_version;
  std::int64_t wall_ns = 0;  // CLOCK_REALTIME at time_ns
  std::uint64_t time_ns = 0;
  std::uint64_t interval_ns = 0;
  std::uint64_t stuck_after_ns = 0;
  std::uint64_t planned_duration_ns = 0;  // 0: until asked to stop
  std::string max_overhead;               // as asked for: "1%"
  std::string probes;                     // as asked for: "auto"
};

enum class EndReason : std::uint8_t { duration, signal, target_exited };
struct SessionEnd {
  std::uint64_t time_ns = 0;
  EndReason reason = EndReason::duration;
  std::uint64_t own_cpu_ns = 0;
  std::uint64_t own_peak_rss_bytes = 0;
};

struct TargetInfo {
  std::int32_t pid = 0;
  std::int32_t ns_pid = 0;  // innermost pid namespace
  std::string host;
  std::string container_id;  // empty: none
  std::string cgroup;
  std::string exe;  // as /proc/PID/exe names it
  bool exe_deleted = false;
  std::string module;   // main module path; empty: unknown
  std::string version;  // main module version
  std::string vcs_revision;
  std::string build_id;    // GNU build id (hex) or Go build id
  std::string go_version;  // "go1.24.4"
  std::vector<std::string> experiments;
  std::string arch;
  bool stripped = false;
  bool pie = false;
  bool cgo = false;
  std::int64_t started_wall_ns = 0;
  std::uint64_t started_ns = 0;  // CLOCK_MONOTONIC-like start of the process, for its age
  std::optional<std::int64_t> memory_profile_rate;
  std::optional<std::int32_t> gogc_percent;      // -1: off
  std::optional<std::int64_t> gomemlimit_bytes;  // INT64_MAX: not set
  std::uint32_t processors = 0;                  // GOMAXPROCS (len(allp)); 0: unknown
  std::string layout_row;                        // the version row of the layout table that is used, "go1.24"
  bool layout_exact = true;                      // false: the nearest row, accepted because it validates
  std::vector<std::string> wait_reasons;         // index = g.waitreason, read from the process
  std::vector<std::uint32_t> size_classes;       // index = size class, bytes; [0] = 0 stands for large objects
};

enum class SourceStatus : std::uint8_t { on, off, failed };
// A source of knowledge and whether it works; sent at the start and at changes. "process" is off for a file of one.
// Names: "snapshots", "stacks", "wait-objects", "heap-profile", "heap-counters", "memory", "object-fates", "probes".
struct SourceState {
  std::uint64_t time_ns = 0;
  std::string name;
  SourceStatus status = SourceStatus::on;
  std::string reason;  // why it is not on
  std::string fix;     // what the user can do; may be empty
};

struct Gap {  // nothing was watched between these times (SIGTSTP, ...)
  std::uint64_t begin_ns = 0;
  std::uint64_t end_ns = 0;
  std::string reason;
};

// Cumulative count of something that was lost or could not be read.
// Causes: "events" (ring buffer full), "event_reads", "event_stacks_truncated", "torn_stacks", "torn_goroutines",
// "unreadable_goroutines", "truncated_stacks", "torn_buckets", "model_evictions", ...
// What was written into the target because the user asked for it; sent when it is done and again when it is undone.
struct TargetWrite {
  std::uint64_t time_ns = 0;
  std::string what;  // runtime.MemProfileRate
  std::uint64_t address = 0;
  std::uint64_t old_value = 0;
  std::uint64_t new_value = 0;
  bool restored = false;
};
struct Loss {
  std::uint64_t time_ns = 0;
  std::string cause;
  std::uint64_t count = 0;
};

// ---------------------------------------------------------------- goroutines
enum class GoStatus : std::uint8_t {  // runtime/runtime2.go; stable since Go 1.15
  idle = 0,
  runnable = 1,
  running = 2,
  syscall = 3,
  waiting = 4,
  dead = 6,
  copystack = 8,
  preempted = 9,
  leaked = 10,
  dead_extra = 11,
};

enum class WaitKind : std::uint8_t { none, channel, nil_channel, semaphore, condition };
enum class WaitDirection : std::uint8_t { unknown, send, receive };
struct WaitObject {
  WaitKind kind = WaitKind::none;
  WaitDirection direction = WaitDirection::unknown;
  bool timer = false;  // the runtime's timer sends on this channel
  bool closed = false;
  std::uint64_t address = 0;  // hchan, or the semaphore's word
  std::uint64_t length = 0;   // elements buffered
  std::uint64_t capacity = 0;
  friend bool operator==(const WaitObject&, const WaitObject&) = default;
};

// What one goroutine waits on, kept in place: states come by the million, and none of them may cost an allocation.
class WaitObjectList {
 public:
  static constexpr std::size_t kMost = 8;

  WaitObjectList() = default;
  WaitObjectList(std::initializer_list<WaitObject> objects) {
    for (const WaitObject& object : objects) push_back(object);
  }
  // Copies what there is, not what there might be.
  WaitObjectList(const WaitObjectList& other) { *this = other; }
  WaitObjectList& operator=(const WaitObjectList& other) {
    if (this != &other) std::copy(other.begin(), other.end(), objects_.begin());
    size_ = other.size_;
    return *this;
  }
  ~WaitObjectList() = default;
  // More than kMost are not kept; GoroutineState::wait_object_count says how many there are.
  void push_back(const WaitObject& object) {
    if (size_ < kMost) objects_[size_++] = object;
  }
  void resize(std::size_t size) {
    for (std::size_t i = size_; i < size && i < kMost; ++i) objects_[i] = {};
    size_ = static_cast<std::uint8_t>(size < kMost ? size : kMost);
  }
  void clear() { size_ = 0; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] WaitObject& operator[](std::size_t index) { return objects_[index]; }
  [[nodiscard]] const WaitObject& operator[](std::size_t index) const { return objects_[index]; }
  [[nodiscard]] const WaitObject& front() const { return objects_[0]; }
  [[nodiscard]] WaitObject* begin() { return objects_.data(); }
  [[nodiscard]] WaitObject* end() { return objects_.data() + size_; }
  [[nodiscard]] const WaitObject* begin() const { return objects_.data(); }
  [[nodiscard]] const WaitObject* end() const { return objects_.data() + size_; }
  friend bool operator==(const WaitObjectList& a, const WaitObjectList& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
  }

 private:
  std::array<WaitObject, kMost> objects_{};
  std::uint8_t size_ = 0;
};

// One goroutine at one look. Sent when it is new or anything here differs from the last look.
struct GoroutineState {
  std::uint64_t goid = 0;
  std::uint64_t parent_goid = 0;  // 0: unknown (Go < 1.21) or none
  GoStatus status = GoStatus::idle;
  std::uint8_t wait_reason = 0;     // index into TargetInfo::wait_reasons; meaningful when waiting
  bool ran = true;                  // has run, or may have, since the last look
  bool stack_torn = false;          // the stack could not be read consistently
  bool system = false;              // a goroutine of the runtime itself (start function is runtime.*, not main)
  std::uint64_t wait_since_ns = 0;  // a GC saw it parked then: it has been parked at least since; 0: not known
  std::uint64_t stack_bytes = 0;    // stack.hi - stack.lo
  LocationId created_at = LocationId::none;
  LocationId start = LocationId::none;
  StackId stack = StackId::none;        // none: running, or not read
  std::uint32_t wait_object_count = 0;  // cases of a select may exceed what is listed
  WaitObjectList wait_objects;
  friend bool operator==(const GoroutineState&, const GoroutineState&) = default;
};
// Goroutines of which nothing changed since the last look but what the GC does to one that is parked: it notes when it
// saw it, and may have moved its stack. They have not run. The lists are equally long.
struct GoroutinesSeen {
  std::vector<std::uint64_t> goids;
  std::vector<std::uint64_t> wait_since_ns;
  std::vector<std::uint64_t> stack_bytes;
};
struct GoroutinesGone {
  std::vector<std::uint64_t> goids;
};
// Closes one look at all goroutines: what was not sent since the last one is alive and unchanged.
struct Snapshot {
  std::uint64_t time_ns = 0;
  std::uint32_t sequence = 0;  // from 1
  std::uint64_t goroutines = 0;
  std::uint64_t unwound = 0;  // stacks read in this look
  std::uint64_t torn_stacks = 0;
  std::uint64_t unreadable = 0;   // g structs that could not be read
  std::uint64_t newest_goid = 0;  // largest goid handed out or seen; 0: unknown
  std::uint64_t read_ns = 0;      // how long the look took
};

// Who, outside a cohort of stuck goroutines, holds what they wait on. Only ever clears a suspicion.
struct WaitObjectHolders {
  std::uint64_t time_ns = 0;
  std::uint64_t goid = 0;               // the waiter that was looked into
  std::uint64_t address = 0;            // what it waits on
  bool complete = false;                // everything that could hold it was looked at (budget not exceeded)
  bool in_globals = false;              // a package variable holds it, directly
  std::uint32_t other_stacks = 0;       // stacks of goroutines that do not wait on it
  std::uint32_t heap_objects = 0;       // heap objects that hold its address
  std::uint32_t held_heap_objects = 0;  // of these, objects that are themselves held by heap, globals or other stacks
};

// ---------------------------------------------------------------- probe events
struct Birth {  // runtime.newproc
  std::uint64_t time_ns = 0;
  std::uint64_t creator_goid = 0;
  LocationId start = LocationId::none;  // function to run
  StackId stack = StackId::none;        // where the go statement stands, innermost first
};
struct Park {  // runtime.gopark
  std::uint64_t time_ns = 0;
  std::uint64_t goid = 0;
  std::uint8_t wait_reason = 0;
};
struct End {  // runtime.goexit1 / gdestroy
  std::uint64_t time_ns = 0;
  std::uint64_t goid = 0;
};
// A sampling point of allocation: (*mcache).refill (small objects: stands for `objects` allocations of its size class)
// or allocLarge (exactly one).
struct AllocationSample {
  std::uint64_t time_ns = 0;
  std::uint64_t id = 0;  // counts up from 1
  std::uint64_t goid = 0;
  StackId stack = StackId::none;
  std::uint32_t size_class = 0;  // 0: large
  std::uint64_t size = 0;        // of one object, rounded to its class
  std::uint64_t objects = 1;     // how many allocations this sample stands for, on average
  bool tracked = false;          // one object of it is known by address and AllocationFates will tell its end
};
// After a GC: which tracked samples were found dead, or lost from sight. Those not listed that were allocated before
// `mark_begin_ns` survived it.
struct AllocationFates {
  std::uint64_t time_ns = 0;
  std::uint32_t gc_cycle = 0;
  std::uint64_t mark_begin_ns = 0;  // 0: unknown
  std::vector<std::uint64_t> dead;
  std::vector<std::uint64_t> censored;
};

enum class ProbeStatus : std::uint8_t { on, windowed, withheld, failed };
struct ProbeState {
  std::uint64_t time_ns = 0;
  std::string name;    // births, parks, ends, allocs
  std::string symbol;  // runtime.newproc
  ProbeStatus status = ProbeStatus::on;
  std::string reason;
  std::uint64_t attached_ns = 0;  // so far
  std::uint64_t window_ns = 0;    // of so much time in which it was wanted
  std::uint64_t hits = 0;
  std::uint64_t lost = 0;
  std::optional<double> would_cost_percent;  // of one core, when withheld or windowed
};
struct Overhead {  // what the probes took from the target so far
  std::uint64_t time_ns = 0;
  std::optional<std::uint64_t> trap_ns;  // calibrated cost of one hit; nullopt: not measured
  std::uint64_t hits = 0;
  std::uint64_t bpf_run_ns = 0;
  std::optional<std::uint64_t> cost_ns;  // all hits, each by the cost of its kind of site, and the programs' time
  std::optional<std::uint64_t> base_ns;  // CPU time that the budget is a share of, while probes were governed
};

// ---------------------------------------------------------------- heap
// The runtime's heap profile, sampled at `rate`; counts are cumulative since the process started and raw (unscaled).
// Sent when new or changed.
struct HeapBucket {
  StackId stack = StackId::none;
  std::uint64_t size = 0;    // of each object in this bucket
  std::uint64_t allocs = 0;  // completed cycles ("active")
  std::uint64_t frees = 0;
  std::uint64_t pending_allocs = 0;  // published later: up to two GCs behind
  std::uint64_t pending_frees = 0;
};
struct HeapProfile {  // closes one look at the profile
  std::uint64_t time_ns = 0;
  std::uint64_t rate = 0;   // bytes per sample
  std::uint32_t cycle = 0;  // mProf cycle
  std::uint64_t buckets = 0;
};

constexpr std::size_t kSizeClasses = 68;  // runtime/sizeclasses.go, Go 1.16 and later
// The allocator's own exact counters (memstats.heapStats), cumulative; and the GC's state.
struct HeapCounters {
  std::uint64_t time_ns = 0;
  std::uint32_t gc_cycles = 0;                          // completed (memstats.numgc)
  bool gc_running = false;                              // marking now
  bool swept = true;                                    // the last cycle's sweep is complete
  std::uint64_t last_gc_end_ns = 0;                     // CLOCK_MONOTONIC of last mark termination; 0: unknown
  bool by_class = false;                                // the arrays below are known
  std::array<std::uint64_t, kSizeClasses> allocated{};  // objects by size class; [0] = large objects
  std::array<std::uint64_t, kSizeClasses> freed{};
  std::uint64_t large_allocated_bytes = 0;
  std::uint64_t large_freed_bytes = 0;
  std::uint64_t tiny_allocs = 0;
  std::uint64_t heap_live_bytes = 0;    // the pacer's: marked + allocated since
  std::uint64_t heap_marked_bytes = 0;  // by the last GC
  std::uint64_t heap_goal_bytes = 0;
  std::uint64_t heap_in_use_bytes = 0;  // spans in use
  std::uint64_t heap_free_bytes = 0;    // spans free, still resident
  std::uint64_t stacks_bytes = 0;       // spans used for goroutine stacks
  std::uint64_t runtime_bytes = 0;      // the runtime's own structures (mspan, mcache, buckets, GC)
  std::optional<double> gc_cpu_fraction;
};

// ---------------------------------------------------------------- memory as the system sees it
enum class LimitKind : std::uint8_t { cgroup, gomemlimit, machine, rlimit };
struct MemoryLimit {
  LimitKind kind = LimitKind::cgroup;
  std::string path;  // of the cgroup
  std::uint64_t bytes = 0;
  std::uint64_t used_bytes = 0;  // what counts against it (cgroup: without inactive file pages)
};
struct MemoryFigures {
  std::uint64_t time_ns = 0;
  std::uint64_t vm_bytes = 0;
  std::uint64_t rss_bytes = 0;
  std::uint64_t shared_bytes = 0;
  std::uint64_t swap_bytes = 0;
  std::uint64_t rss_anon_bytes = 0;
  std::uint64_t rss_file_bytes = 0;
  std::uint64_t rss_shmem_bytes = 0;
  std::uint64_t machine_bytes = 0;
  std::uint64_t threads = 0;
  std::uint64_t open_files = 0;
  std::uint64_t cpu_ns = 0;  // user + system of the target, since its start
  std::vector<MemoryLimit> limits;
};

// ---------------------------------------------------------------- what else a process can run out of
enum class ResourceKind : std::uint8_t {
  open_files,      // counts by name: "file", "socket", "pipe", "eventpoll", ...; limit: RLIMIT_NOFILE
  sockets,         // of these, by name "tcp ESTABLISHED", "tcp CLOSE_WAIT", ...
  threads,         // by name: "go" (the runtime's, not idle), "idle" (the runtime's, parked for reuse)
  mappings,        // resident and swapped bytes by name: "go heap", "c heap", "anonymous", "stack", "files", "shared";
                   // "anonymous mappings" and so on: how many these are
  timers,          // "function": due within 3 s, location: what AfterFunc calls; "unread ticker": its last tick was
                   // not taken and nobody waits for one, id: its period in ns
  deferred_calls,  // in one goroutine (id), of one `defer` statement (location) of one call of a function
  finalizers,      // queued and not yet run, by name: "finalizers", "cleanups"
  finalizer_cycles,  // objects with finalizers (total); by the finalizer's function (location) where those that were
                     // looked into lead back to themselves
};
struct ResourceCount {  // a part of a ResourceLook
  std::string name;
  LocationId location = LocationId::none;
  std::uint64_t id = 0;
  std::uint64_t count = 0;
  friend bool operator==(const ResourceCount&, const ResourceCount&) = default;
};
// All of one kind that the target holds, at one look. What is not listed is none, or too few to matter
// (deferred_calls).
struct ResourceLook {
  std::uint64_t time_ns = 0;
  ResourceKind kind = ResourceKind::open_files;
  std::uint64_t total = 0;
  std::uint64_t limit = 0;    // 0: none, or not known
  std::uint64_t arrived = 0;  // since the look before: those that two looks in a row have seen (open_files)
  std::uint64_t left = 0;     // of those, the ones that are gone
  bool complete = true;       // false: too many to look at each; `total` holds, the counts are of a part
  std::vector<ResourceCount> counts;
};

// ---------------------------------------------------------------- memory that a small reference keeps
enum class RetentionKind : std::uint8_t {
  substring,  // large objects without pointers, of which strings use a small part
  subslice,   // the same with slices, or slices and strings
  elements,   // arrays of pointers of which slices use a part: the other pointers keep what they point to
  stack,      // lists of small objects that nothing but a goroutine's stack leads to: `objects` are their nodes
};
// Objects that are kept alike: by the same kind of holder and, where known, allocated at the same place.
struct RetainedGroup {  // a part of a RetentionLook
  RetentionKind kind = RetentionKind::substring;
  bool spare = false;  // the unused rest is capacity of the slices: waste only if nothing is ever appended to them
  StackId allocated_at = StackId::none;          // none: not known
  LocationId holder_used_at = LocationId::none;  // code that uses the package variable they hang on; none: not known
  std::string holder;            // what refers to them, in words, from the root on; names only, no contents
                                 // stack: the function in whose frame it is; holder_used_at: where that stands now
  std::uint64_t objects = 0;     // found unchanged by two searches at least
  std::uint64_t bytes = 0;       // of these; elements: of what only the unused pointers point to, by a sample of it
  std::uint64_t used_bytes = 0;  // that strings and slices can reach, at most; elements: 0
  std::uint64_t references = 0;  // strings and slices that refer to them; stack: lists
  std::uint64_t smallest = 0, largest = 0;                                    // object, bytes
  std::uint64_t example_bytes = 0, example_used = 0, example_references = 0;  // one of them
  std::uint64_t pointers = 0, unused_pointers = 0;  // elements: that are not nil in these arrays; outside of all slices
  std::uint64_t goid = 0;                           // stack: of the goroutine that has the longest list
  friend bool operator==(const RetainedGroup&, const RetainedGroup&) = default;
};
// One search of the memory that may hold pointers for what refers to large objects. Counted is only what an earlier
// search had found the same, and what is known to be in use: it outlived a GC in between, or a package variable leads
// to it.
struct RetentionLook {
  std::uint64_t time_ns = 0;
  std::uint32_t searches = 0;  // so far
  bool complete = true;        // everything that may hold pointers was read; else references may have been missed
  std::uint64_t heap_bytes = 0;
  std::uint64_t to_read_bytes = 0;  // may hold pointers
  std::uint64_t read_bytes = 0;     // of these
  std::uint64_t objects = 0;        // large ones that were looked for
  std::uint64_t object_bytes = 0;
  std::uint64_t cpu_ns = 0;           // of ours, for all searches so far
  std::uint64_t stacks = 0;           // goroutines that there are, and of these
  std::uint64_t stacks_followed = 0;  // those whose stacks were searched for lists of small objects
  std::vector<RetainedGroup> groups;  // largest first
};

// ---------------------------------------------------------------- proofs
// Why goroutines that wait can be woken after all: one way from what can still run to what they wait on.
struct ReachedGoroutines {                // a part of a Proof
  std::uint64_t goid = 0;                 // one of them
  std::uint64_t goroutines = 0;           // of the same creation site and stack
  std::string path;                       // in words, from the root on; names only, no contents
  LocationId used_at = LocationId::none;  // code that uses the package variable it begins at; none: has a name, or none
  friend bool operator==(const ReachedGoroutines&, const ReachedGoroutines&) = default;
};
// What follows from the memory of the target as it was while all its threads were stopped. A goroutine is proved to be
// leaked when nothing that can still run leads to what it waits on.
struct Proof {
  std::uint64_t time_ns = 0;  // when the target went on
  std::string off;            // why nothing can be proved of this program; empty: the lists below are the answer
  std::uint64_t pause_ns = 0;
  std::uint64_t predicted_ns = 0;     // the pause, as foreseen
  std::uint64_t copied_bytes = 0;     // read while it was stopped
  std::uint64_t heap_bytes = 0;       // spans in use
  std::uint64_t scannable_bytes = 0;  // of these, spans whose objects may hold pointers
  std::uint64_t marked_objects = 0;   // reachable from what can still run
  std::uint64_t marked_bytes = 0;
  std::uint64_t scanned_bytes = 0;  // in search of pointers
  std::uint64_t mark_ns = 0;        // how long that took us
  std::uint64_t goroutines = 0;     // alive at the stop
  std::uint64_t candidates = 0;     // of these, parked where only another goroutine can end the wait
  // The proved ones, by rising id; the lists are equally long.
  std::vector<std::uint64_t> goids;
  std::vector<std::uint64_t> held_bytes;  // of objects that nothing else but proved goroutines holds, each counted once
  std::vector<std::uint32_t> deadlocks;   // goroutines that wait for each other have the same number; 0: none
  std::vector<ReachedGoroutines> reached;
};

// Who holds the heap: what each retains, that is what would be garbage without it.
enum class RetainerKind : std::uint8_t {
  variable,    // a package variable
  goroutines,  // stacks of the goroutines of one go statement
  timers,      // and what else the processors have; as from finalizers on, of what no variable or stack holds
  shared,      // objects of one type or size that several package variables or goroutines hold
  finalizers,  // cleanups and weak pointers as well
  foreign,     // C's memory
  threads,     // registers, and stacks of the scheduler
  runtime,     // what the runtime keeps of goroutines
};
struct HeapRetainer {  // a part of a HeapRetention
  RetainerKind kind = RetainerKind::variable;
  std::string name;                          // in words; goroutines: empty
  LocationId used_at = LocationId::none;     // code that uses the package variable
  LocationId created_at = LocationId::none;  // goroutines: their go statement
  LocationId held_at = LocationId::none;     // goroutines: the frame that holds most, of the one that holds most
  bool proved = false;                       // goroutines, or shared by such: nothing can ever run them again
  std::uint64_t goroutines = 0;
  std::uint64_t goid = 0;       // of the one that holds most
  std::uint64_t instances = 0;  // shared: how many objects
  std::uint64_t bytes = 0;      // retained
  std::uint64_t objects = 0;
  std::string path;  // in words, from the root on, to where most of it spreads out; names only, no contents
  friend bool operator==(const HeapRetainer&, const HeapRetainer&) = default;
};
struct HeapType {  // a part of a HeapRetention: objects of one type, or of one size where the type is not known
  std::string name;
  std::uint64_t object_bytes = 0;  // of the one that retains most
  std::uint64_t instances = 0;
  std::uint64_t bytes = 0;  // retained by these
  std::uint64_t objects = 0;
  std::string path;  // to the one that retains most
  LocationId used_at = LocationId::none;
  friend bool operator==(const HeapType&, const HeapType&) = default;
};
struct HeapPath {    // a part of a HeapRetention: the way to an object that was asked for
  std::string name;  // type, or size
  std::uint64_t object_bytes = 0;
  std::uint64_t bytes = 0;  // retained by it
  std::uint64_t objects = 0;
  std::string path;
  LocationId used_at = LocationId::none;
  friend bool operator==(const HeapPath&, const HeapPath&) = default;
};
// From the same copy of the memory as the Proof before it.
struct HeapRetention {
  std::uint64_t time_ns = 0;
  std::string off;  // why it is not known; empty: the rest is the answer
  std::uint64_t took_ns = 0;
  std::uint64_t bytes = 0;  // reachable, by proved goroutines as well
  std::uint64_t objects = 0;
  std::uint64_t references = 0;         // that were followed
  std::vector<HeapRetainer> retainers;  // largest first
  std::vector<HeapType> types;          // largest first
  std::string asked;                    // an address or a type, as it was given; empty: none
  std::string why_not;                  // no way is told, because
  std::vector<HeapPath> ways;           // largest first
};

using Record =
    std::variant<LocationRecord, StackRecord, SessionStart, SessionEnd, TargetInfo, SourceState, Gap, Loss,
                 GoroutineState, GoroutinesGone, Snapshot, WaitObjectHolders, Birth, Park, End, AllocationSample,
                 AllocationFates, ProbeState, Overhead, HeapBucket, HeapProfile, HeapCounters, MemoryFigures,
                 TargetWrite, ResourceLook, GoroutinesSeen, RetentionLook, Proof, HeapRetention>;

// Where records go: a recorder, the model, or both. Called from one thread.
class RecordSink {
 public:
  virtual ~RecordSink() = default;
  virtual void accept(const Record& record) = 0;
};

}  // namespace gotrace
