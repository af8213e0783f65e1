#include "proof/precopy.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/units.h"
#include "goruntime/goroutine_reader_list.h"
#include "goruntime/heap_arenas.h"
#include "goruntime/program_view.h"
#include "process/proc_text.h"
#include "process/soft_dirty.h"
#include "process/stopped_target.h"
#include "proof/captured_heap.h"
#include "proof/copying.h"
#include "proof/wait_structures.h"

namespace gotrace::proof {
namespace {

using goruntime::monotonic_ns;
using process::MemoryRange;
using process::PageWords;
using process::total_bytes;

constexpr std::uint64_t kPage = 4096;
constexpr double kCheckedShare = 0.01;                // of the pages that were not written to
constexpr std::uint64_t kMostStructures = 64U << 20;  // bytes of g, sudog and hchan pages that are compared
constexpr std::uint64_t kHeapGrowth = 1ULL << 30;     // addresses behind the heap that are kept for what it gets
constexpr std::uint64_t kForeignGrowth = 16U << 20;   // behind other mappings
constexpr std::uint64_t kSpeedSample = 16U << 20;     // bytes; and of written pages at least
constexpr std::uint64_t kLeastSpeedSample = 256U << 10;
constexpr std::uint64_t kWalkSample = 256U << 20;  // bytes whose page map is read to foresee how long a walk takes

// Resident pages: the second number of /proc/PID/statm.
std::uint64_t resident_pages(pid_t pid) {
  const auto text = process::read_proc_text(fmt::format("/proc/{}/statm", pid)).value_or("");
  const auto words = process::words_of(text);
  return words.size() > 1 ? process::single_number(words[1]).value_or(0) : 0;
}

// Room for `ranges` and for what may come behind each.
std::vector<MemoryRange> with_room(std::vector<MemoryRange> ranges, std::uint64_t room) {
  for (MemoryRange& range : ranges) range.end += std::min(room, kNever - range.end);
  return ranges;
}

std::vector<MemoryRange> arenas_of(std::vector<MemoryRange> heap) {
  for (MemoryRange& range : heap) {
    range.begin -= goruntime::offset_in_arena(range.begin);
    const std::uint64_t rest = goruntime::offset_in_arena(range.end);
    if (rest != 0) range.end += goruntime::kArenaBytes - rest;
  }
  return process::merged(std::move(heap));
}

std::vector<MemoryRange> both(std::vector<MemoryRange> ranges, const std::vector<MemoryRange>& more) {
  ranges.insert(ranges.end(), more.begin(), more.end());
  return process::merged(std::move(ranges));
}

std::vector<MemoryRange> sample(const std::vector<MemoryRange>& ranges, double share, std::mt19937_64& random) {
  if (share >= 1) return ranges;
  std::bernoulli_distribution taken(share);
  std::vector<MemoryRange> result;
  for (const MemoryRange& range : ranges)
    for (process::Address page = range.begin; page < range.end; page += kPage)
      if (taken(random)) result.push_back({page, page + kPage});
  return result;
}

}  // namespace

bool PreCopy::possible(const goruntime::Program& program) {
  return process::may_clear_soft_dirty(program.target()) && process::soft_dirty_works();
}

Error PreCopy::unreliable(const std::string& what) const {
  return failure(
      fmt::format("{}{}, and the kernel has not noted that it was written to; does somebody else clear what "
                  "it notes of this process (CRIU, another tool)? Nothing is concluded; it goes on; end that, "
                  "and try again",
                  about(program_), what));
}

// The kernel holds the process's memory map while it walks through all its pages: who needs that waits. Reading the
// page map is such a walk, too, and does more for each page.
std::uint64_t PreCopy::foresee_clearing() const {
  const auto spans = read_spans(program_);
  const auto heap = spans ? leading(ranges_of(*spans), kWalkSample) : std::vector<MemoryRange>();
  const std::uint64_t begin = monotonic_ns();
  (void)PageWords::read(program_.target().pid(), heap);
  const double for_each = seconds(monotonic_ns() - begin) * kPage / static_cast<double>(total_bytes(heap) + kPage);
  return static_cast<std::uint64_t>(static_cast<double>(resident_pages(program_.target().pid())) * for_each * 1e9);
}

Status PreCopy::clear() {
  const std::uint64_t foreseen = foresee_clearing();
  if (foreseen > limits_.max_pause_ns)
    return failure(
        fmt::format("{}would be held up for about {} while the kernel marks its pages, longer than --max-pause "
                    "{}; it was not stopped; raise that to --max-pause {}",
                    about(program_), format_duration(seconds(foreseen)), format_duration(seconds(limits_.max_pause_ns)),
                    format_duration(seconds(foreseen) * 2)));
  const auto took = process::clear_soft_dirty(program_.target());
  if (!took) return took.error();
  clear_ns_ += *took;
  return success();
}

// Addresses are set aside, so that what is added when it stands still lies where it was copied to before, however the
// borders of spans and mappings have moved.
Status PreCopy::set_up(Foreign foreign, const std::vector<MemoryRange>& heap) {
  auto snapshot = std::make_unique<process::Snapshot>();
  if (auto made = snapshot->lie_in(limits_.folder); !made) return made;
  captured_.snapshot = snapshot.get();
  snapshot->fall_back_to(&program_.target().memory());
  auto room = both(with_room(arenas_of(heap), kHeapGrowth), with_room(foreign.ranges, kForeignGrowth));
  if (auto kept = snapshot->set_aside(std::move(room)); !kept) return kept;
  if (auto added = snapshot->add(foreign.ranges); !added) return added;
  if (auto added = snapshot->add(heap); !added) return added;
  auto target = program_.target().seen_through(std::move(snapshot));
  if (!target) return target.error();
  captured_.target = std::make_unique<process::Target>(std::move(*target));
  captured_.program = goruntime::view_of(program_, *captured_.target);
  foreign_ = std::move(foreign);
  return success();
}

// The page map first: what was absent then is none of what was copied.
Status PreCopy::copy_running(const std::vector<MemoryRange>& ranges) {
  const pid_t pid = program_.target().pid();
  auto words = PageWords::read(pid, ranges);
  if (!words) return failure(about(program_) + "cannot read /proc/PID/pagemap");
  const auto present = words->present();
  const auto progress = captured_.snapshot->copy(pid, present, limits_.threads, kNever);
  words->forget(progress.unreadable);
  words_.add(std::move(*words));
  captured_.copied_before_bytes += total_bytes(present);
  return success();
}

Result<PausePrediction> PreCopy::copy_running() {
  structures_ = find_wait_structures(program_);
  auto prediction = try_to_copy();
  // A mapping that has grown counts as written to as a whole (mm/mmap.c, mmap_region), and so a heap that has. Go's
  // grows by 4 MiB or more at a time (runtime/mheap.go, grow), so that the next attempt likely finds it at rest.
  if (prediction && prediction->to_copy_bytes > prediction->all_bytes / 2) prediction = try_to_copy();
  return prediction;
}

Result<PausePrediction> PreCopy::try_to_copy() {
  captured_.program.reset();  // which refers to the rest
  captured_ = {};
  words_ = {};
  if (auto cleared = clear(); !cleared) return cleared.error();
  auto foreign = find_foreign(program_);
  if (!foreign) return foreign.error();
  const auto spans = read_spans(program_);
  if (!spans) return failure(about(program_) + "the spans of its heap can't be read");
  const auto present = present_in(program_, *foreign);
  if (!present) return present.error();
  need_ = memory_need(*spans, total_bytes(*present));
  if (auto enough = check_memory(program_, need_, limits_.folder); !enough) return enough.error();
  // An arena may have been made in between.
  const auto heap = process::difference(ranges_of(*spans), foreign->ranges);
  if (auto ready = set_up(std::move(*foreign), heap); !ready) return ready.error();
  // What files hold, or others share, may change by other hands: that is copied when it stands still.
  const auto anonymous = process::difference(foreign_.ranges, foreign_.of_files);
  if (auto copied = copy_running(both(anonymous, heap)); !copied) return copied.error();
  return predict(spans->size());
}

Result<PausePrediction> PreCopy::predict(std::size_t spans) {
  const pid_t pid = program_.target().pid();
  std::vector<MemoryRange> ranges;
  for (const PageWords::Part& part : words_.parts())
    ranges.push_back({part.begin, part.begin + part.words.size() * kPage});
  const std::uint64_t begin = monotonic_ns();
  const auto now = PageWords::read(pid, ranges);
  if (!now) return failure(about(program_) + "cannot read /proc/PID/pagemap");
  const auto changes = process::changes_between(words_, *now);
  const std::uint64_t looking_ns = monotonic_ns() - begin;
  if (changes.cleared != 0) return unreliable(fmt::format("its page {:#x} counts as new", changes.cleared));
  words_.note_dirty(*now);
  const auto again = both(changes.to_read, foreign_.of_files);
  PausePrediction prediction;
  // In pieces as it will be, if there are enough of them to tell.
  const auto& measured = total_bytes(again) >= kLeastSpeedSample ? again : changes.held;
  const auto measured_speed = measure_speed(program_, limits_, leading(measured, kSpeedSample));
  if (!measured_speed) return measured_speed.error();
  prediction.bytes_per_second = *measured_speed;
  prediction.to_copy_bytes = total_bytes(again);
  prediction.all_bytes = prediction.to_copy_bytes + total_bytes(changes.held);
  const double speed = std::max(prediction.bytes_per_second, 1.0);
  const auto reading_ns = [speed](std::uint64_t bytes) {
    return static_cast<std::uint64_t>(static_cast<double>(bytes) / speed * 1e9);
  };
  prediction.pause_ns = clear_ns_ + looking_ns + fixed_pause_ns(program_, spans) +
                        reading_ns(prediction.to_copy_bytes + total_bytes(changes.held) / 100);
  plan_check(changes, prediction.pause_ns, speed);
  prediction.pause_ns += reading_ns(structures_budget_);
  prediction.need = need_;
  captured_.prediction = prediction;
  return prediction;
}

// They are compared as far as half of what is left of the pause allows.
void PreCopy::plan_check(const process::PageChanges& changes, std::uint64_t without_ns, double speed) {
  const std::uint64_t left_ns = limits_.max_pause_ns - std::min(limits_.max_pause_ns, without_ns);
  structures_budget_ = std::min({total_bytes(process::intersection(structures_, changes.held)), kMostStructures,
                                 static_cast<std::uint64_t>(seconds(left_ns) / 2 * speed)});
}

// What has no room set aside was not copied.
Status PreCopy::add_again(const std::vector<MemoryRange>& ranges) {
  std::vector<MemoryRange> elsewhere;
  for (const MemoryRange& range : ranges)
    if (!captured_.snapshot->is_set_aside(range)) elsewhere.push_back(range);
  words_.forget(elsewhere);
  if (auto added = captured_.snapshot->add(process::difference(ranges, elsewhere)); !added) return added;
  return elsewhere.empty() ? success() : captured_.snapshot->add_sparse(elsewhere);
}

Status PreCopy::copy_changed(const std::vector<MemoryRange>& of, const std::vector<MemoryRange>& beside,
                             std::vector<MemoryRange>& held) {
  const auto now = PageWords::read(program_.target().pid(), of);
  if (!now) return failure(about(program_) + "cannot read /proc/PID/pagemap");
  auto changes = process::changes_between(words_, *now);
  if (changes.cleared != 0) return unreliable(fmt::format("its page {:#x} counts as new", changes.cleared));
  captured_.snapshot->fill_with_zeros(changes.vanished);
  held = std::move(changes.held);
  return proof::copy_stopped(program_, limits_, deadline_ns_, both(std::move(changes.to_read), beside), captured_);
}

Status PreCopy::copy_stopped() {
  auto foreign = find_foreign(program_);
  if (!foreign) return foreign.error();
  captured_.snapshot->start_over();
  if (auto added = add_again(foreign->ranges); !added) return added;
  captured_.foreign = foreign->ranges;
  captured_.foreign_complete = foreign->complete;
  const auto anonymous = process::difference(foreign->ranges, foreign->of_files);
  const auto files = process::intersection(foreign->ranges, foreign->of_files);
  if (auto copied = copy_changed(anonymous, files, held_foreign_); !copied) return copied;
  // Pages behind a file's end can be read by nobody.
  captured_.unreadable = process::difference(captured_.unreadable, foreign->of_files);
  if (auto found = find_spans(captured_); !found) return found;
  const auto heap = ranges_of(captured_.spans);
  if (auto added = add_again(heap); !added) return added;
  const std::size_t before = captured_.unreadable.size();
  if (auto copied = copy_changed(heap, process::intersection(heap, foreign->of_files), held_heap_); !copied)
    return copied;
  return captured_.unreadable.size() == before ? check() : unreadable_heap(program_, captured_);
}

// Of what was copied just now no difference is possible; where all is (capture.cpp) there is nothing to compare.
Status PreCopy::check() {
  const auto held = both(held_foreign_, held_heap_);
  const auto structures = process::intersection(structures_, held);
  const double share = static_cast<double>(structures_budget_) / static_cast<double>(total_bytes(structures) + 1);
  if (auto same = check("goroutines, their waits or channels", structures, share >= 0.99 ? 1 : share); !same)
    return same;
  if (auto same = check("its heap", held_heap_, kCheckedShare); !same) return same;
  return check("package variables or the runtime's or C's memory", held_foreign_, kCheckedShare);
}

Status PreCopy::check(const char* what, const std::vector<MemoryRange>& held, double share) {
  const auto pages = sample(held, share, random_);
  const auto differs = captured_.snapshot->find_difference(program_.target().pid(), pages, deadline_ns_);
  if (!differs) return late(program_, captured_);
  captured_.checked_bytes += total_bytes(pages);
  if (*differs == 0) return success();
  return unreliable(fmt::format("a page of {} ({:#x}) is not as it was copied", what, *differs));
}

Result<Captured> PreCopy::copy_rest() {
  const Hurry hurry;
  deadline_ns_ = monotonic_ns() + limits_.max_pause_ns - std::min(limits_.max_pause_ns, clear_ns_);
  auto stopped = stop_settled(program_, deadline_ns_);
  if (!stopped) return stopped.error();
  captured_.stopped_ns = stopped->begun_ns();
  captured_.threads.assign(stopped->threads().begin(), stopped->threads().end());
  auto copied = copy_stopped();
  stopped->resume();
  captured_.resumed_ns = monotonic_ns();
  captured_.pause_ns = captured_.resumed_ns - captured_.stopped_ns + clear_ns_;
  if (!copied) return copied.error();
  return std::move(captured_);
}

}  // namespace gotrace::proof
