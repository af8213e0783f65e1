#include "proof/copying.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <utility>

#include "base/units.h"
#include "goruntime/goroutine_reader_batch.h"
#include "goruntime/goroutine_reader_list.h"
#include "goruntime/heap_spans.h"
#include "process/page_changes.h"
#include "process/proc_text.h"
#include "proof/thread_machine.h"

namespace gotrace::proof {
namespace {

using goruntime::SpanView;
using process::MemoryRange;

constexpr std::uint64_t kStopNs = 300'000;  // stopping, reading registers and mappings, letting go
constexpr std::uint64_t kStopNsPerThread = 40'000;
constexpr std::uint64_t kSpansPerSecond = 12'000'000;  // that are looked at during the stop

bool settled(const goruntime::Program& program, const process::StoppedTarget& stopped) {
  const auto word = [&](Address address) { return program.target().memory().value<Address>(address); };
  return std::ranges::all_of(stopped.threads(), [&](const process::StoppedThread& thread) {
    return machine_of(program.layout(), thread.thread_pointer, word).has_value();
  });
}

}  // namespace

std::string about(const goruntime::Program& program) {
  return fmt::format("pid {} ({}): ", program.target().pid(), program.target().exe());
}

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

std::uint64_t fixed_pause_ns(const goruntime::Program& program, std::size_t spans) {
  const auto task =
      process::parse_stat(process::read_proc_text(fmt::format("/proc/{}/stat", program.target().pid())).value_or(""));
  return kStopNs + kStopNsPerThread * (task ? task->threads : 1) + spans * 1'000'000'000 / kSpansPerSecond;
}

std::vector<MemoryRange> leading(const std::vector<MemoryRange>& ranges, std::uint64_t bytes) {
  std::vector<MemoryRange> result;
  for (const MemoryRange& range : ranges) {
    const std::uint64_t size = std::min(bytes, range.size());
    if (size > 0) result.push_back({range.begin, range.begin + size});
    bytes -= size;
  }
  return result;
}

// The second time counts: the first takes memory.
Result<double> measure_speed(const goruntime::Program& program, const CaptureLimits& limits,
                             const std::vector<MemoryRange>& ranges) {
  process::Snapshot snapshot;
  if (auto made = snapshot.lie_in(limits.folder); !made) return made.error();
  if (auto reserved = snapshot.reserve(process::total_bytes(ranges) + 8 * ranges.size()); !reserved)
    return reserved.error();
  if (auto added = snapshot.add(ranges); !added) return added.error();
  double best = 0;
  for (int attempt = 0; attempt < 2; ++attempt) {
    const std::uint64_t begin = goruntime::monotonic_ns();
    (void)snapshot.copy(program.target().pid(), ranges, limits.threads, kNever);
    const double took = seconds(goruntime::monotonic_ns() - begin);
    best = std::max(best, static_cast<double>(process::total_bytes(ranges)) / std::max(took, 1e-6));
  }
  return best;
}

Error late(const goruntime::Program& program, const Captured& into) {
  return failure(
      fmt::format("{}given up after {} of standing still: that is --max-pause; {} had been copied of {}; it "
                  "goes on; raise --max-pause",
                  about(program), format_duration(seconds(goruntime::monotonic_ns() - into.stopped_ns)),
                  format_bytes(static_cast<double>(into.copied_bytes)),
                  format_bytes(static_cast<double>(into.prediction.to_copy_bytes))));
}

Error unreadable_heap(const goruntime::Program& program, const Captured& into) {
  return failure(
      fmt::format("{}a part of its heap can't be read: {:#x}", about(program), into.unreadable.back().begin));
}

Result<process::StoppedTarget> stop_settled(const goruntime::Program& program, std::uint64_t deadline_ns) {
  constexpr int kMostTries = 8;
  constexpr timespec kRest{0, 200'000};
  for (int tries = 1;; ++tries) {
    auto stopped = process::StoppedTarget::stop(program.target(), deadline_ns);
    if (!stopped || program.build_info().cgo || tries == kMostTries || settled(program, *stopped)) return stopped;
    stopped->resume();
    ::nanosleep(&kRest, nullptr);
  }
}

Status copy_stopped(const goruntime::Program& program, const CaptureLimits& limits, std::uint64_t deadline_ns,
                    const std::vector<MemoryRange>& ranges, Captured& into) {
  const auto progress = into.snapshot->copy(program.target().pid(), ranges, limits.threads, deadline_ns);
  if (progress.late) return late(program, into);
  into.copied_bytes += process::total_bytes(ranges);
  into.unreadable.insert(into.unreadable.end(), progress.unreadable.begin(), progress.unreadable.end());
  return success();
}

}  // namespace gotrace::proof
