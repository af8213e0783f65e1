#include "proof/capture.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/units.h"
#include "goruntime/goroutine_reader_list.h"
#include "goruntime/program_view.h"
#include "process/page_changes.h"
#include "proof/captured_heap.h"
#include "proof/copying.h"
#include "proof/foreign_memory.h"
#include "proof/precopy.h"

namespace gotrace::proof {
namespace {

using process::difference;
using process::MemoryRange;
using process::total_bytes;

struct Plan {
  PausePrediction prediction;
  std::uint64_t room = 0;  // bytes to reserve
  Foreign foreign;
  std::vector<MemoryRange> foreign_present;
};

class Capturing {
 public:
  Capturing(const goruntime::Program& program, const CaptureLimits& limits) : program_(program), limits_(limits) {}

  [[nodiscard]] Result<Plan> plan();
  [[nodiscard]] Result<Captured> run(Plan plan);

 private:
  [[nodiscard]] Status prepare(Captured& into, Plan& plan);
  [[nodiscard]] Status copy_all(Captured& into, process::StoppedTarget& stopped);
  [[nodiscard]] Status copy_foreign(Captured& into);
  [[nodiscard]] Status copy_heap(Captured& into);

  const goruntime::Program& program_;
  const CaptureLimits& limits_;
  std::vector<MemoryRange> copied_once_;  // before it was stopped
  std::uint64_t deadline_ns_ = 0;
};

Result<Plan> Capturing::plan() {
  constexpr std::uint64_t kSample = 64U << 20;  // bytes read to measure the speed
  auto foreign = find_foreign(program_);
  if (!foreign) return foreign.error();
  auto present = present_in(program_, *foreign);
  if (!present) return present.error();
  const auto spans = read_spans(program_);
  if (!spans) return failure(about(program_) + "the spans of its heap can't be read");
  const auto heap = ranges_of(*spans);
  const auto speed = measure_speed(program_, limits_, leading(heap, kSample));
  if (!speed) return speed.error();
  Plan plan;
  plan.prediction.bytes_per_second = *speed;
  plan.prediction.to_copy_bytes = total_bytes(*present) + total_bytes(heap);
  plan.prediction.all_bytes = plan.prediction.to_copy_bytes;
  const double copying = static_cast<double>(plan.prediction.to_copy_bytes) / std::max(*speed, 1.0);
  plan.prediction.pause_ns = static_cast<std::uint64_t>(copying * 1e9) + fixed_pause_ns(program_, spans->size());
  plan.prediction.need = memory_need(*spans, total_bytes(*present));
  plan.room = total_bytes(heap) + total_bytes(heap) / 32 + (8U << 20);
  plan.foreign = std::move(*foreign);
  plan.foreign_present = std::move(*present);
  return plan;
}

Status Capturing::copy_foreign(Captured& into) {
  auto foreign = find_foreign(program_);
  if (!foreign) return foreign.error();
  const auto present = present_in(program_, *foreign);
  if (!present) return present.error();
  if (auto added = into.snapshot->add_sparse(difference(foreign->ranges, into.foreign)); !added) return added;
  into.foreign = std::move(foreign->ranges);
  into.foreign_complete = foreign->complete;
  into.snapshot->fill_with_zeros(difference(copied_once_, *present));  // what was given back since
  auto copied = copy_stopped(program_, limits_, deadline_ns_, *present, into);
  // Pages behind a file's end can be read by nobody.
  into.unreadable = difference(into.unreadable, foreign->of_files);
  return copied;
}

Status Capturing::copy_heap(Captured& into) {
  if (auto found = find_spans(into); !found) return found;
  const auto ranges = ranges_of(into.spans);
  if (auto added = into.snapshot->add(ranges); !added) return added;
  const std::size_t before = into.unreadable.size();
  if (auto copied = copy_stopped(program_, limits_, deadline_ns_, ranges, into); !copied) return copied;
  return into.unreadable.size() == before ? success() : unreadable_heap(program_, into);
}

// Takes the memory that is needed, and what is not the heap's once already: the page tables are ready then, ours too.
Status Capturing::prepare(Captured& into, Plan& plan) {
  auto snapshot = std::make_unique<process::Snapshot>();
  if (auto made = snapshot->lie_in(limits_.folder); !made) return made;
  into.snapshot = snapshot.get();
  snapshot->fall_back_to(&program_.target().memory());
  if (auto reserved = snapshot->reserve(plan.room); !reserved) return reserved;
  if (auto added = snapshot->add_sparse(plan.foreign.ranges); !added) return added;
  (void)snapshot->copy(program_.target().pid(), plan.foreign_present, 1, kNever);
  copied_once_ = std::move(plan.foreign_present);
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
  if (auto enough = check_memory(program_, plan.prediction.need, limits_.folder); !enough) return enough.error();
  if (auto prepared = prepare(captured, plan); !prepared) return prepared.error();
  const Hurry hurry;
  deadline_ns_ = goruntime::monotonic_ns() + limits_.max_pause_ns;
  auto stopped = stop_settled(program_, deadline_ns_);
  if (!stopped) return stopped.error();
  if (auto copied = copy_all(captured, *stopped); !copied) return copied.error();
  return captured;
}

Error too_long(const goruntime::Program& program, const PausePrediction& prediction, const CaptureLimits& limits) {
  return failure(
      fmt::format("{}would stand still for about {} ({}), longer than --max-pause {}; it was not stopped; "
                  "raise that to --max-pause {}",
                  about(program), format_duration(seconds(prediction.pause_ns)), to_read_text(prediction),
                  format_duration(seconds(limits.max_pause_ns)), format_duration(seconds(prediction.pause_ns) * 1.5)));
}

}  // namespace

std::string to_read_text(const PausePrediction& prediction) {
  const auto size = [](std::uint64_t bytes) { return format_bytes(static_cast<double>(bytes)); };
  const auto speed = format_bytes(prediction.bytes_per_second);
  if (prediction.all_bytes <= prediction.to_copy_bytes)
    return fmt::format("{} to read at {}/s", size(prediction.to_copy_bytes), speed);
  return fmt::format("{} to read of {} at {}/s, the rest was copied while it ran", size(prediction.to_copy_bytes),
                     size(prediction.all_bytes), speed);
}

Result<PausePrediction> predict_pause(const goruntime::Program& program, const CaptureLimits& limits) {
  if (PreCopy::possible(program)) return PreCopy(program, limits).copy_running();
  const auto plan = Capturing(program, limits).plan();
  if (!plan) return plan.error();
  return plan->prediction;
}

Result<Captured> capture(const goruntime::Program& program, const CaptureLimits& limits) {
  if (PreCopy::possible(program)) {
    PreCopy precopy(program, limits);
    const auto prediction = precopy.copy_running();
    if (!prediction) return prediction.error();
    if (prediction->pause_ns > limits.max_pause_ns) return too_long(program, *prediction, limits);
    return precopy.copy_rest();
  }
  Capturing capturing(program, limits);
  auto plan = capturing.plan();
  if (!plan) return plan.error();
  if (plan->prediction.pause_ns > limits.max_pause_ns) return too_long(program, plan->prediction, limits);
  return capturing.run(std::move(*plan));
}

}  // namespace gotrace::proof
