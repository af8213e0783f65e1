#include "goruntime/goroutine_reader.h"

#include <algorithm>

#include "process/memory_figures.h"

namespace gotrace::goruntime {
namespace {

constexpr std::size_t kJobsPerBatch = 2048;

constexpr std::size_t kEntriesPerRead = 1U << 18;  // of allgs
constexpr std::size_t kIdsPerRecord = 4096;

std::uint64_t hash_of(std::span<const process::Address> pcs, bool truncated) {
  std::uint64_t hash = pcs.size() + (truncated ? 1U << 16 : 0U);
  for (const process::Address pc : pcs) hash = (hash ^ pc) * 0x9e3779b97f4a7c15U;
  return hash ^ (hash >> 32);
}

}  // namespace

GoroutineReader::GoroutineReader(const Program& program, Symbolizer& symbolizer, RecordSink& sink)
    : program_(program),
      symbolizer_(symbolizer),
      sink_(sink),
      memory_(program.target().memory()),
      layout_(program.layout()),
      unwinder_(program),
      wait_objects_(program) {
  now_ns_ = monotonic_ns();
  for (const std::string& reason : program.wait_reasons()) wait_classes_.push_back(classify_wait(reason));
  validate();
}

Look GoroutineReader::look(std::uint64_t now_ns) {
  if (!usable_) return Look::unavailable;
  now_ns_ = now_ns;
  const std::uint64_t started = monotonic_ns();
  if (!refresh_list()) return program_.target().alive() ? Look::unavailable : Look::target_gone;
  look_at_memory();
  wait_objects_.begin_look();
  scan();
  if (alive_ == 0 && !program_.target().alive()) return Look::target_gone;
  close_look(started);
  return Look::ok;
}

// allgs only ever grows, and its entries stay what they are (runtime/proc.go, allgadd): what is known of it is not read
// again. An entry that is still being written is 0; the next look takes it.
bool GoroutineReader::refresh_list() {
  for (;;) {
    auto part = read_allgs(program_, listed_, kEntriesPerRead);
    if (!part) return false;
    if (part->length < listed_) {  // no list of Go's does that; begin anew
      places_.for_each([this](Place& place) {
        if (place.goid() != 0) note_gone(place.goid());
      });
      places_.clear();
      listed_ = 0;
      continue;
    }
    const auto unwritten = std::ranges::find(part->addresses, process::Address{0});
    const bool whole = unwritten == part->addresses.end();
    part->addresses.erase(unwritten, part->addresses.end());
    const std::size_t count = part->addresses.size();
    if (count > 0) places_.add(std::move(part->addresses));
    listed_ += count;
    if (!whole || listed_ >= part->length) return true;
  }
}

// GO-RUNTIME section 2: reading is not free for the target when it is short of memory.
void GoroutineReader::look_at_memory() {
  const auto figures = process::read_memory_figures(program_.target(), now_ns_);
  const bool careful = figures && process::memory_is_short(*figures);
  if (!careful) present_.reset();
  if (careful && !present_) present_.emplace(program_.target().pid());
}

void GoroutineReader::scan() {
  alive_ = unwound_ = torn_in_look_ = unreadable_in_look_ = 0;
  const std::size_t visited =
      places_.read_all(memory_, layout_.size(), [this](process::Address g, Place& place, Bytes bytes) {
        visit(g, place, layout_.decode(bytes));
        if (jobs_.size() >= kJobsPerBatch) settle();
      });
  settle();
  unreadable_in_look_ += listed_ - std::min<std::uint64_t>(visited, listed_);
  unreadable_.count += unreadable_in_look_;
}

void GoroutineReader::visit(process::Address g, Place& place, const GView& view) {
  const bool exists = view.exists() && view.goid < kMostGoids;
  if (view.exists() && !exists) ++unreadable_in_look_;
  if (place.goid() != 0 && (!exists || place.goid() != view.goid)) {
    note_gone(place.goid());
    place.forget();
  }
  if (!exists) return;
  ++alive_;
  largest_goid_ = std::max(largest_goid_, view.goid);
  if (!still_parked(place, view)) {
    jobs_.push_back(Job{.place = &place, .g = g, .view = view});
    return;
  }
  if (place.same_wait_since(view) && place.same_stack_size(view)) return;
  place.remember_gc(view);
  note_seen(view);
}

// GO-RUNTIME section 2: g.trackingSeq counts each time it stops running, waitsince is zeroed when it runs. Coroutines
// are switched without either. Go 1.15 has no trackingSeq: only a waitsince that stays says that it did not run.
bool GoroutineReader::still_parked(const Place& place, const GView& view) const {
  if (place.goid() == 0 || !place.waits_as_before(view)) return false;
  if (wait_class(view) == WaitClass::coroutine) return false;
  if (place.seen_by_gc() && !place.same_wait_since(view)) return false;
  if (!layout_.has_tracking()) return view.wait_since != 0 && place.same_wait_since(view);
  return place.same_tracking(view);
}

WaitClass GoroutineReader::wait_class(const GView& view) const {
  return view.wait_reason < wait_classes_.size() ? wait_classes_[view.wait_reason] : WaitClass::none;
}

void GoroutineReader::note_gone(std::uint64_t goid) {
  auto& goids = std::get<GoroutinesGone>(gone_).goids;
  goids.push_back(goid);
  if (goids.size() >= kIdsPerRecord) send_gone();
}

void GoroutineReader::send_gone() {
  auto& goids = std::get<GoroutinesGone>(gone_).goids;
  if (goids.empty()) return;
  sink_.accept(gone_);
  goids.clear();
}

void GoroutineReader::note_seen(const GView& view) {
  auto& seen = std::get<GoroutinesSeen>(seen_);
  seen.goids.push_back(view.goid);
  seen.wait_since_ns.push_back(view.wait_since);
  seen.stack_bytes.push_back(view.stack_hi - view.stack_lo);
  if (seen.goids.size() >= kIdsPerRecord) send_seen();
}

void GoroutineReader::send_seen() {
  auto& seen = std::get<GoroutinesSeen>(seen_);
  if (seen.goids.empty()) return;
  sink_.accept(seen_);
  seen.goids.clear();
  seen.wait_since_ns.clear();
  seen.stack_bytes.clear();
}

void GoroutineReader::finish(const Job& job) {
  const GView& view = job.view;
  const Origin& from = origin(view);
  auto& state = std::get<GoroutineState>(state_);
  state.goid = view.goid;
  state.parent_goid = view.parent;
  state.status = view.status;
  state.wait_reason = view.wait_reason;
  state.ran = true;
  state.stack_torn = !job.settled && job.pc_count == 0 && !job.absent;
  state.system = from.system;
  state.wait_since_ns = view.status == GoStatus::waiting ? view.wait_since : 0;
  state.stack_bytes = view.stack_hi - view.stack_lo;
  state.created_at = from.created_at;
  state.start = from.start;
  state.stack = job.pc_count == 0 ? StackId::none : intern(job);
  if (job.pc_count != 0) {
    if (job.truncated) ++truncated_stacks_.count;
    ++unwound_;
  }
  state.wait_object_count = job.wait.count;
  state.wait_objects = job.wait.objects;
  if (state.stack_torn) ++torn_in_look_;
  job.place->remember(view, job.settled);
  sink_.accept(state_);
}

const GoroutineReader::Origin& GoroutineReader::origin(const GView& view) {
  Origin& latest = latest_origin_;
  if (latest.created_pc == view.created_pc && latest.start_pc == view.start_pc) return latest;
  latest = {.created_pc = view.created_pc, .start_pc = view.start_pc, .system = is_system(view.start_pc)};
  latest.created_at = symbolizer_.location(view.created_pc, true);
  latest.start = symbolizer_.location(view.start_pc, false);
  return latest;
}

std::span<const process::Address> GoroutineReader::pcs_of(const Job& job) const {
  return std::span(pcs_).subspan(job.first_pc, job.pc_count);
}

bool GoroutineReader::KnownStack::is_of(const Job& job, std::span<const process::Address> job_pcs) const {
  return truncated == job.truncated && first_is_exact == job.first_is_exact && std::ranges::equal(pcs, job_pcs);
}

StackId GoroutineReader::intern(const Job& job) {
  const auto job_pcs = pcs_of(job);
  if (latest_stack_.is_of(job, job_pcs)) return latest_stack_.id;
  auto& known = stacks_[hash_of(job_pcs, job.truncated)];
  auto found = std::ranges::find_if(known, [&](const KnownStack& stack) { return stack.is_of(job, job_pcs); });
  if (found == known.end()) {
    const StackId id = symbolizer_.stack(job_pcs, job.first_is_exact, job.truncated);
    known.push_back({{job_pcs.begin(), job_pcs.end()}, job.first_is_exact, job.truncated, id});
    found = std::prev(known.end());
  }
  latest_stack_ = *found;
  return latest_stack_.id;
}

// As runtime/traceback.go, isSystemGoroutine, but for user code that runs in the finalizer's goroutine.
bool GoroutineReader::is_system(process::Address start_pc) {
  const auto [place, is_new] = system_starts_.try_emplace(start_pc, false);
  if (!is_new || start_pc < program_.load_bias()) return place->second;
  const auto function = program_.functions().containing(start_pc - program_.load_bias());
  place->second = function && function->name.starts_with("runtime.") && function->name != "runtime.main" &&
                  function->name != "runtime.goexit";
  return place->second;
}

std::uint64_t GoroutineReader::newest_goid() const {
  const auto sched = program_.global("sched");
  const Field& field = program_.layout().schedt.goidgen;
  if (!sched || !field.present()) return largest_goid_;
  return std::max(largest_goid_, memory_.value<std::uint64_t>(*sched + field.offset).value_or(0));
}

void GoroutineReader::send_losses() {
  for (Count* loss : {&torn_stacks_, &torn_goroutines_, &unreadable_, &truncated_stacks_, &absent_stacks_}) {
    if (loss->count == loss->sent) continue;
    loss->sent = loss->count;
    sink_.accept(Loss{.time_ns = now_ns_, .cause = loss->cause, .count = loss->count});
  }
}

void GoroutineReader::close_look(std::uint64_t started_ns) {
  send_seen();
  send_gone();
  send_losses();
  sink_.accept(Snapshot{.time_ns = now_ns_,
                        .sequence = ++sequence_,
                        .goroutines = alive_,
                        .unwound = unwound_,
                        .torn_stacks = torn_in_look_,
                        .unreadable = unreadable_in_look_,
                        .newest_goid = newest_goid(),
                        .read_ns = monotonic_ns() - started_ns});
}

std::unique_ptr<Reader> make_goroutine_reader(const Program& program, Symbolizer& symbolizer, RecordSink& sink) {
  return std::make_unique<GoroutineReader>(program, symbolizer, sink);
}

}  // namespace gotrace::goruntime
