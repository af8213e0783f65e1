#include "proof/capture.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <utility>

#include "base/units.h"
#include "goruntime/goroutine_reader_batch.h"
#include "goruntime/goroutine_reader_list.h"
#include "goruntime/heap_arenas.h"
#include "goruntime/heap_spans.h"
#include "goruntime/program_view.h"
#include "process/proc_text.h"
#include "proof/captured_heap.h"

namespace gotrace::proof {
namespace {

using goruntime::SpanView;
using process::Address;
using process::MemoryRange;

constexpr std::uint64_t kLargestForeign = 4ULL << 30;  // of one mapping: reading its page map takes time, too
constexpr std::uint64_t kSample = 64U << 20;           // bytes read to measure the speed
constexpr std::uint64_t kStopNs = 300'000;             // stopping, reading registers and mappings, letting go
constexpr std::uint64_t kStopNsPerThread = 40'000;
constexpr std::uint64_t kSpansPerSecond = 12'000'000;  // that are looked at during the stop

double seconds(std::uint64_t ns) { return static_cast<double>(ns) / 1e9; }

std::string about(const goruntime::Program& program) {
  return fmt::format("pid {} ({}): ", program.target().pid(), program.target().exe());
}

// What is written to and is not the heap's, split at the borders of arenas, which are where the heap may begin or end.
struct Foreign {
  std::vector<MemoryRange> ranges;   // whole mappings
  std::vector<MemoryRange> to_copy;  // of these: what holds more than zeros
  std::vector<MemoryRange> of_files;
  bool complete = true;
};

void add_mapping(const goruntime::Program& program, const process::Mapping& mapping, Foreign& foreign) {
  for (Address at = mapping.begin; at < mapping.end;) {
    const Address border = at - goruntime::offset_in_arena(at) + goruntime::kArenaBytes;
    const MemoryRange part{at, std::min(mapping.end, border > at ? border : mapping.end)};
    if (!goruntime::in_heap_arena(program, at)) foreign.ranges.push_back(part);
    at = part.end;
  }
}

// Of a file's pages those that nobody has written to are not in the page map as present, and are no zeros: they are
// read as they are.
Result<Foreign> find_foreign(const goruntime::Program& program) {
  const auto mappings = program.target().mappings();
  if (!mappings) return mappings.error();
  Foreign foreign;
  for (const process::Mapping& mapping : *mappings) {
    if (!mapping.readable || !mapping.writable || mapping.path.starts_with("/dev/")) continue;
    if (mapping.end - mapping.begin > kLargestForeign) {
      foreign.complete = false;
      continue;
    }
    add_mapping(program, mapping, foreign);
    if (mapping.inode != 0) foreign.of_files.push_back({mapping.begin, mapping.end});
  }
  foreign.ranges = process::merged(std::move(foreign.ranges));
  for (const MemoryRange& range : foreign.ranges) {
    const auto present = process::present_ranges(program.target().pid(), range);
    if (!present) return failure(about(program) + "cannot read /proc/PID/pagemap");
    foreign.to_copy.insert(foreign.to_copy.end(), present->begin(), present->end());
  }
  foreign.of_files = process::merged(std::move(foreign.of_files));
  foreign.to_copy.insert(foreign.to_copy.end(), foreign.of_files.begin(), foreign.of_files.end());
  foreign.to_copy = process::merged(std::move(foreign.to_copy));
  return foreign;
}

std::uint64_t total(const std::vector<MemoryRange>& ranges) {
  std::uint64_t bytes = 0;
  for (const MemoryRange& range : ranges) bytes += range.size();
  return bytes;
}

// The spans of a program that runs: some may have changed already.
std::optional<std::vector<SpanView>> read_spans(const goruntime::Program& program) {
  auto addresses = goruntime::read_span_addresses(program);
  const auto& layout = program.layout();
  if (!addresses || layout.mspan.size == 0) return std::nullopt;
  std::vector<SpanView> spans;
  goruntime::run_read_plan(program.target().memory(),
                           goruntime::make_read_plan(std::move(*addresses), layout.mspan.size),
                           [&](std::uint32_t, Bytes bytes) {
                             const SpanView span = goruntime::decode_span(layout, bytes);
                             if (span.in_use() || span.manual()) spans.push_back(span);
                           });
  return spans;
}

struct Plan {
  PausePrediction prediction;
  std::uint64_t room = 0;  // bytes to reserve
  Foreign foreign;
};

// What of `ranges` is not in `known`; both by rising address.
std::vector<MemoryRange> difference(const std::vector<MemoryRange>& ranges, const std::vector<MemoryRange>& known) {
  std::vector<MemoryRange> result;
  auto next = known.begin();
  for (const MemoryRange& range : ranges) {
    Address at = range.begin;
    while (next != known.end() && next->end <= at) ++next;
    for (auto overlap = next; overlap != known.end() && overlap->begin < range.end; ++overlap) {
      if (overlap->begin > at) result.push_back({at, overlap->begin});
      at = std::max(at, overlap->end);
    }
    if (at < range.end) result.push_back({at, range.end});
  }
  return result;
}

// While it stands still nothing is as urgent as letting it go on.
class Hurry {
 public:
  Hurry() : before_(::getpriority(PRIO_PROCESS, 0)) { ::setpriority(PRIO_PROCESS, 0, -20); }  // may not be permitted
  Hurry(const Hurry&) = delete;
  Hurry& operator=(const Hurry&) = delete;
  ~Hurry() { ::setpriority(PRIO_PROCESS, 0, before_); }

 private:
  int before_;
};

class Capturing {
 public:
  Capturing(const goruntime::Program& program, const CaptureLimits& limits) : program_(program), limits_(limits) {}

  [[nodiscard]] Result<Plan> plan();
  [[nodiscard]] Result<Captured> run(Plan plan);

 private:
  [[nodiscard]] Result<double> measure_speed(const std::vector<MemoryRange>& heap) const;
  [[nodiscard]] Status prepare(Captured& into, Plan& plan) const;
  [[nodiscard]] Status copy_all(Captured& into, process::StoppedTarget& stopped);
  [[nodiscard]] Status copy_foreign(Captured& into);
  [[nodiscard]] Status copy_heap(Captured& into);
  [[nodiscard]] Status copy(Captured& into, const std::vector<MemoryRange>& ranges);
  [[nodiscard]] Error late(const Captured& into) const;

  const goruntime::Program& program_;
  const CaptureLimits& limits_;
  std::uint64_t deadline_ns_ = 0;
};

// Reads a part of what will be copied, as it will be copied. The second time counts: the first takes memory.
Result<double> Capturing::measure_speed(const std::vector<MemoryRange>& heap) const {
  std::vector<MemoryRange> sample;
  std::uint64_t left = kSample;
  for (const MemoryRange& range : heap) {
    const std::uint64_t size = std::min(left, range.size());
    if (size > 0) sample.push_back({range.begin, range.begin + size});
    left -= size;
  }
  process::Snapshot snapshot;
  if (auto reserved = snapshot.reserve(kSample); !reserved) return reserved.error();
  if (auto added = snapshot.add(sample); !added) return added.error();
  constexpr std::uint64_t kNever = ~0ULL;
  double best = 0;
  for (int attempt = 0; attempt < 2; ++attempt) {
    const std::uint64_t begin = goruntime::monotonic_ns();
    (void)snapshot.copy(program_.target().pid(), sample, limits_.threads, kNever);
    const double took = seconds(goruntime::monotonic_ns() - begin);
    best = std::max(best, static_cast<double>(total(sample)) / std::max(took, 1e-6));
  }
  return best;
}

Result<Plan> Capturing::plan() {
  auto foreign = find_foreign(program_);
  if (!foreign) return foreign.error();
  const auto spans = read_spans(program_);
  if (!spans) return failure(about(program_) + "the spans of its heap can't be read");
  const auto heap = ranges_of(*spans);
  const auto speed = measure_speed(heap);
  if (!speed) return speed.error();
  Plan plan;
  plan.prediction.bytes_per_second = *speed;
  plan.prediction.to_copy_bytes = total(foreign->to_copy) + total(heap);
  const double copying = static_cast<double>(plan.prediction.to_copy_bytes) / std::max(*speed, 1.0);
  const double looking = static_cast<double>(spans->size()) / static_cast<double>(kSpansPerSecond);
  const auto task =
      process::parse_stat(process::read_proc_text(fmt::format("/proc/{}/stat", program_.target().pid())).value_or(""));
  plan.prediction.pause_ns =
      static_cast<std::uint64_t>((copying + looking) * 1e9) + kStopNs + kStopNsPerThread * (task ? task->threads : 1);
  plan.room = total(heap) + total(heap) / 32 + (8U << 20);
  plan.foreign = std::move(*foreign);
  return plan;
}

Error Capturing::late(const Captured& into) const {
  return failure(
      fmt::format("{}given up after {} of standing still: that is --max-pause; {} had been copied of {}; it "
                  "goes on; raise --max-pause",
                  about(program_), format_duration(seconds(goruntime::monotonic_ns() - into.stopped_ns)),
                  format_bytes(static_cast<double>(into.copied_bytes)),
                  format_bytes(static_cast<double>(into.prediction.to_copy_bytes))));
}

Status Capturing::copy(Captured& into, const std::vector<MemoryRange>& ranges) {
  const auto progress = into.snapshot->copy(program_.target().pid(), ranges, limits_.threads, deadline_ns_);
  if (progress.late) return late(into);
  into.copied_bytes += total(ranges);
  into.unreadable.insert(into.unreadable.end(), progress.unreadable.begin(), progress.unreadable.end());
  return success();
}

Status Capturing::copy_foreign(Captured& into) {
  auto foreign = find_foreign(program_);
  if (!foreign) return foreign.error();
  if (auto added = into.snapshot->add_sparse(difference(foreign->ranges, into.foreign)); !added) return added;
  into.foreign = std::move(foreign->ranges);
  into.foreign_complete = foreign->complete;
  auto copied = copy(into, foreign->to_copy);
  // Pages behind a file's end can be read by nobody.
  into.unreadable = difference(into.unreadable, foreign->of_files);
  return copied;
}

Status Capturing::copy_heap(Captured& into) {
  if (auto found = find_spans(into); !found) return found;
  const auto ranges = ranges_of(into.spans);
  if (auto added = into.snapshot->add(ranges); !added) return added;
  const std::size_t before = into.unreadable.size();
  if (auto copied = copy(into, ranges); !copied) return copied;
  if (into.unreadable.size() == before) return success();
  return failure(
      fmt::format("{}a part of its heap can't be read: {:#x}", about(program_), into.unreadable.back().begin));
}

// Takes the memory that is needed, and what is not the heap's once already: the page tables are ready then, ours too.
Status Capturing::prepare(Captured& into, Plan& plan) const {
  auto snapshot = std::make_unique<process::Snapshot>();
  into.snapshot = snapshot.get();
  snapshot->fall_back_to(&program_.target().memory());
  if (auto reserved = snapshot->reserve(plan.room); !reserved) return reserved;
  if (auto added = snapshot->add_sparse(plan.foreign.ranges); !added) return added;
  constexpr std::uint64_t kNever = ~0ULL;
  (void)snapshot->copy(program_.target().pid(), plan.foreign.to_copy, 1, kNever);
  into.foreign = std::move(plan.foreign.ranges);
  auto target = program_.target().seen_through(std::move(snapshot));
  if (!target) return target.error();
  into.target = std::make_unique<process::Target>(std::move(*target));
  into.program = goruntime::view_of(program_, *into.target);
  return success();
}

Status Capturing::copy_all(Captured& into, process::StoppedTarget& stopped) {
  into.stopped_ns = stopped.begun_ns();
  into.threads.assign(stopped.threads().begin(), stopped.threads().end());
  auto copied = copy_foreign(into);
  if (copied) copied = copy_heap(into);
  stopped.resume();
  into.resumed_ns = goruntime::monotonic_ns();
  into.pause_ns = into.resumed_ns - into.stopped_ns;
  return copied;
}

Result<Captured> Capturing::run(Plan plan) {
  Captured captured;
  captured.prediction = plan.prediction;
  if (auto prepared = prepare(captured, plan); !prepared) return prepared.error();
  const Hurry hurry;
  deadline_ns_ = goruntime::monotonic_ns() + limits_.max_pause_ns;
  auto stopped = process::StoppedTarget::stop(program_.target(), deadline_ns_);
  if (!stopped) return stopped.error();
  if (auto copied = copy_all(captured, *stopped); !copied) return copied.error();
  return captured;
}

}  // namespace

Result<PausePrediction> predict_pause(const goruntime::Program& program, const CaptureLimits& limits) {
  const auto plan = Capturing(program, limits).plan();
  if (!plan) return plan.error();
  return plan->prediction;
}

Result<Captured> capture(const goruntime::Program& program, const CaptureLimits& limits) {
  Capturing capturing(program, limits);
  auto plan = capturing.plan();
  if (!plan) return plan.error();
  const PausePrediction& prediction = plan->prediction;
  if (prediction.pause_ns > limits.max_pause_ns) {
    return failure(fmt::format(
        "{}would stand still for about {} ({} to read at {}/s), longer than --max-pause {}; it was not stopped; raise "
        "that to --max-pause {}",
        about(program), format_duration(seconds(prediction.pause_ns)),
        format_bytes(static_cast<double>(prediction.to_copy_bytes)), format_bytes(prediction.bytes_per_second),
        format_duration(seconds(limits.max_pause_ns)), format_duration(seconds(prediction.pause_ns) * 1.5)));
  }
  return capturing.run(std::move(*plan));
}

}  // namespace gotrace::proof
