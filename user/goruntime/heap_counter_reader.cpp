// The allocator's own counters and the garbage collector's state: memstats, gcController, work, mheap_.
#include "goruntime/heap_counter_reader.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "goruntime/goroutine_reader_batch.h"
#include "goruntime/goroutine_reader_list.h"

namespace gotrace::goruntime {
namespace {

constexpr int kAttempts = 4;
constexpr std::uint64_t kNone = std::numeric_limits<std::uint64_t>::max();

std::uint64_t word(Bytes bytes, const Field& field) {
  if (!field.present()) return 0;
  return field.size == 4 ? load_or_zero<std::uint32_t>(bytes, field.offset)
                         : load_or_zero<std::uint64_t>(bytes, field.offset);
}

// runtime/mgcpacer.go, memoryLimitHeapGoal, Go 1.19 to 1.27.
std::uint64_t goal_of_memory_limit(const Layout& layout, Bytes controller) {
  constexpr std::uint64_t kHeadroomPercent = 3;
  constexpr std::uint64_t kLeastHeadroom = 1ULL << 20;
  const auto& field = layout.gcControllerState;
  const std::uint64_t limit = word(controller, field.memoryLimit);
  if (!field.memoryLimit.present() || limit >= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    return kNone;
  }
  const std::uint64_t marked = word(controller, field.heapMarked);
  const std::uint64_t mapped = word(controller, field.mappedReady);
  const std::uint64_t heap =
      word(controller, field.heapFree) + word(controller, field.totalAlloc) - word(controller, field.totalFree);
  const std::uint64_t other = (mapped > heap ? mapped - heap : 0) + (mapped > limit ? mapped - limit : 0);
  if (other >= limit) return marked;
  std::uint64_t goal = limit - other;
  const std::uint64_t headroom = std::max(goal / 100 * kHeadroomPercent, kLeastHeadroom);
  goal = goal < 2 * headroom ? headroom : goal - headroom;
  return std::max(goal, marked);
}

}  // namespace

HeapCounterReader::HeapCounterReader(const Program& program, RecordSink& sink)
    : program_(program), layout_(program.layout()), sink_(sink), memory_(program.target().memory()) {
  std::string why = why_unusable();
  if (why.empty()) why = validate();
  usable_ = why.empty();
  sink_.accept(SourceState{.time_ns = monotonic_ns(),
                           .name = "heap-counters",
                           .status = usable_ ? SourceStatus::on : SourceStatus::failed,
                           .reason = why,
                           .fix = ""});
  if (usable_) find_sweeper();
}

std::string HeapCounterReader::why_unusable() const {
  if (!program_.global("mheap_") || !layout_.mheap.sweepgen.present()) {
    return "runtime.mheap_ was not found: " + program_.why_missing("mheap_");
  }
  if (!program_.global("work.cycles")) return "runtime.work was not found: " + program_.why_missing("work.cycles");
  return {};
}

std::optional<HeapCounterReader::Raw> HeapCounterReader::read_raw() {
  Raw raw;
  std::vector<process::ReadRequest> requests;
  const auto ask = [&](process::Address address, std::span<std::byte> into) {
    requests.push_back({.address = address, .into = into});
  };
  const auto region = [&](const char* name, std::uint32_t size, std::vector<std::byte>& bytes) {
    const auto address = program_.global(name);
    if (!address || size == 0) return;  // that part stays unknown
    bytes.resize(size);
    ask(*address, bytes);
  };
  region("memstats", layout_.mstats.size, raw.stats);
  region("gcController", layout_.gcControllerState.size, raw.controller);
  ask(*program_.global("work.cycles"), std::as_writable_bytes(std::span(&raw.cycles, 1)));
  ask(*program_.global("mheap_") + layout_.mheap.sweepgen.offset, std::as_writable_bytes(std::span(&raw.sweepgen, 1)));
  memory_.read_many(requests);  // in this order
  if (!std::ranges::all_of(requests, &process::ReadRequest::done)) return std::nullopt;
  return raw;
}

// mheap_.sweepgen goes up by two at the end of each marking (runtime/mgc.go, gcSweep), memstats.numgc by one.
std::string HeapCounterReader::validate() {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const auto raw = read_raw();
    if (!raw) return "the runtime's counters can't be read";
    const auto done = completed(*raw);
    const bool agrees = raw->sweepgen % 2 == 0 && raw->sweepgen / 2 >= done && raw->sweepgen / 2 - done <= 1;
    if (agrees && raw->cycles >= done && raw->cycles - done <= 1) return {};
  }
  return "the layouts of runtime.mstats and runtime.mheap do not fit this process";
}

std::uint32_t HeapCounterReader::completed(const Raw& raw) const {
  if (raw.stats.empty()) return raw.sweepgen / 2;  // memstats is not linked into small Go 1.15 programs
  return static_cast<std::uint32_t>(word(raw.stats, layout_.mstats.numgc));
}

// runtime.bgsweep sleeps with "GC sweep wait" exactly when there is nothing left to sweep: gcSweep wakes it while the
// world is stopped (runtime/mgcsweep.go, Go 1.15 to 1.27). It is one of the first goroutines of a process.
void HeapCounterReader::find_sweeper() {
  constexpr std::size_t kFirst = 64;
  const auto all = read_allgs(program_);
  const GLayout g(layout_);
  if (!all || !g.why_unusable().empty()) return;
  for (std::size_t i = 0; i < all->size() && i < kFirst; ++i) {
    const auto bytes = memory_.block((*all)[i], g.size());
    if (!bytes) continue;
    const std::uint64_t start = g.decode(*bytes).start_pc;
    if (start < program_.load_bias()) continue;
    const auto function = program_.functions().containing(start - program_.load_bias());
    // From Go 1.17 on the go statement's own wrapper is what the goroutine starts with; bgsweep's is gcenable's first.
    const bool found = function && (function->name == "runtime.bgsweep" || function->name == "runtime.gcenable.func1" ||
                                    function->name == "runtime.gcenable.gowrap1");
    if (found) sweeper_ = (*all)[i];
  }
}

bool HeapCounterReader::is_swept() {
  const auto bytes = sweeper_ ? memory_.block(*sweeper_, layout_.g.size) : std::nullopt;
  if (!bytes) return false;
  const GView view = GLayout(layout_).decode(*bytes);
  const auto& reasons = program_.wait_reasons();
  return view.status == GoStatus::waiting && view.wait_reason < reasons.size() &&
         reasons[view.wait_reason] == "GC sweep wait";
}

Look HeapCounterReader::look(std::uint64_t now_ns) {
  if (!usable_) return Look::unavailable;
  std::optional<HeapCounters> found;
  for (int attempt = 0; attempt < kAttempts && !found; ++attempt) {
    const auto before = read_raw();
    const bool swept = is_swept();
    const auto after = read_raw();
    if (!before || !after) return program_.target().alive() ? Look::unavailable : Look::target_gone;
    const bool last_attempt = attempt + 1 == kAttempts;
    if (!last_attempt && (before->sweepgen != after->sweepgen || before->cycles != after->cycles)) continue;
    HeapCounters counters = decode(*before);
    const HeapCounters later = decode(*after);
    if (went_back(counters, later) || (last_ && went_back(*last_, later))) continue;
    counters = later;
    counters.time_ns = now_ns;
    // While marking, the sweep before it has ended.
    counters.swept = swept && before->sweepgen == after->sweepgen;
    found = counters;
  }
  if (!found) return Look::unavailable;  // counts that contradict each other: none this time
  last_ = found;
  sink_.accept(*found);
  return Look::ok;
}

// consistentHeapStats.read adds one generation to another before it clears it (runtime/mstats.go): seen in between,
// counts are too large and go back afterwards.
bool HeapCounterReader::went_back(const HeapCounters& a, const HeapCounters& b) const {
  if (a.by_class != b.by_class) return true;
  for (std::size_t i = 0; i < kSizeClasses; ++i) {
    if (b.allocated[i] < a.allocated[i] || b.freed[i] < a.freed[i]) return true;
  }
  return b.tiny_allocs < a.tiny_allocs || b.gc_cycles < a.gc_cycles;
}

void HeapCounterReader::add_by_class(Bytes stats, HeapCounters& into) const {
  const auto& deltas = layout_.mstats.heapStats_stats;
  const auto& delta = layout_.heapStatsDelta;
  if (!deltas.present() || delta.size == 0 || delta.smallAllocCount.count != kSizeClasses) return;
  for (std::uint32_t i = 0; i < deltas.count; ++i) {
    const auto part = slice(stats, deltas.offset + std::uint64_t{i} * delta.size, delta.size);
    if (!part) return;
    into.by_class = true;
    for (std::uint32_t size_class = 1; size_class < kSizeClasses; ++size_class) {
      into.allocated[size_class] += load_or_zero<std::uint64_t>(*part, delta.smallAllocCount.offset + 8 * size_class);
      into.freed[size_class] += load_or_zero<std::uint64_t>(*part, delta.smallFreeCount.offset + 8 * size_class);
    }
    into.allocated[0] += word(*part, delta.largeAllocCount);
    into.freed[0] += word(*part, delta.largeFreeCount);
    into.large_allocated_bytes += word(*part, delta.largeAlloc);
    into.large_freed_bytes += word(*part, delta.largeFree);
    into.tiny_allocs += word(*part, delta.tinyAllocCount);
    into.stacks_bytes += word(*part, delta.inStacks);
    into.runtime_bytes += word(*part, delta.inWorkBufs) + word(*part, delta.inPtrScalarBits);
  }
}

HeapCounters HeapCounterReader::decode(const Raw& raw) const {
  const auto& stats = layout_.mstats;
  const auto& controller = layout_.gcControllerState;
  HeapCounters counters;
  counters.gc_cycles = completed(raw);
  counters.gc_running = raw.cycles > counters.gc_cycles;
  counters.last_gc_end_ns = word(raw.stats, stats.last_gc_nanotime);
  add_by_class(raw.stats, counters);
  for (const Field* field :
       {&stats.mspan_sys, &stats.mcache_sys, &stats.buckhash_sys, &stats.gcMiscSys, &stats.gc_sys, &stats.other_sys}) {
    counters.runtime_bytes += word(raw.stats, *field);
  }
  const auto either = [&](const Field& newer, const Field& older) {
    return newer.present() ? word(raw.controller, newer) : word(raw.stats, older);
  };
  counters.stacks_bytes += word(raw.stats, stats.stacks_inuse);
  counters.heap_live_bytes = either(controller.heapLive, stats.heap_live);
  counters.heap_marked_bytes = either(controller.heapMarked, stats.heap_marked);
  counters.heap_in_use_bytes = either(controller.heapInUse, stats.heap_inuse);
  counters.heap_free_bytes = word(raw.controller, controller.heapFree);
  if (!controller.heapFree.present()) {
    const std::uint64_t idle = word(raw.stats, stats.heap_idle);
    counters.heap_free_bytes = idle - std::min(idle, word(raw.stats, stats.heap_released));
  }
  const std::uint64_t goal =
      std::min(either(controller.gcPercentHeapGoal, stats.next_gc), goal_of_memory_limit(layout_, raw.controller));
  counters.heap_goal_bytes = goal == kNone ? 0 : goal;
  if (stats.gc_cpu_fraction.present()) {
    const auto fraction = load<double>(raw.stats, stats.gc_cpu_fraction.offset);
    if (fraction && *fraction >= 0 && *fraction <= 1) counters.gc_cpu_fraction = fraction;
  }
  return counters;
}

std::unique_ptr<Reader> make_heap_counter_reader(const Program& program, RecordSink& sink) {
  return std::make_unique<HeapCounterReader>(program, sink);
}

}  // namespace gotrace::goruntime
