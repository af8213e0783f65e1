#include "goruntime/goroutine_reader.h"

#include <algorithm>

#include "process/memory_figures.h"

namespace gotrace::goruntime {
namespace {

constexpr std::size_t kJobsPerBatch = 2048;

std::uint64_t hash_of(const UnwoundStack& stack) {
  std::uint64_t hash = stack.count + (stack.truncated ? 1U << 16 : 0U);
  for (const process::Address pc : stack.addresses()) hash = (hash ^ pc) * 0x9e3779b97f4a7c15U;
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

bool GoroutineReader::refresh_list() {
  auto addresses = read_allgs(program_);
  if (!addresses) return false;
  if (*addresses != plan_.addresses) plan_ = make_read_plan(std::move(*addresses), layout_.size());
  if (slots_.size() < plan_.addresses.size()) slots_.resize(plan_.addresses.size());
  return true;
}

// GO-RUNTIME section 2: reading is not free for the target when it is short of memory.
void GoroutineReader::look_at_memory() {
  const auto figures = process::read_memory_figures(program_.target(), now_ns_);
  const bool careful = figures && process::memory_is_short(*figures);
  if (!careful) present_.reset();
  if (careful && !present_) present_.emplace(program_.target().pid());
}

void GoroutineReader::scan() {
  gone_.clear();
  alive_ = unwound_ = torn_in_look_ = 0;
  std::size_t visited = 0;
  run_read_plan(memory_, plan_, [&](std::uint32_t index, Bytes bytes) {
    ++visited;
    visit(index, layout_.decode(bytes));
    if (jobs_.size() >= kJobsPerBatch) settle();
  });
  settle();
  unreadable_in_look_ = plan_.addresses.size() - visited;
  unreadable_.count += unreadable_in_look_;
}

void GoroutineReader::visit(std::uint32_t index, const GView& view) {
  Slot& slot = slots_[index];
  if (slot.state.goid != 0 && (!view.exists() || slot.state.goid != view.goid)) {
    gone_.push_back(slot.state.goid);
    slot = Slot{};
  }
  if (!view.exists()) return;
  ++alive_;
  largest_goid_ = std::max(largest_goid_, view.goid);
  if (!still_parked(slot, view)) {
    jobs_.push_back(Job{.slot = index, .view = view});
    return;
  }
  if (slot.state.wait_since_ns == view.wait_since && slot.state.stack_bytes == view.stack_hi - view.stack_lo) return;
  slot.state.wait_since_ns = view.wait_since;  // a GC saw it
  slot.state.stack_bytes = view.stack_hi - view.stack_lo;
  slot.state.ran = false;
  sink_.accept(slot.state);
}

// GO-RUNTIME section 2: g.trackingSeq counts each time it stops running, waitsince is zeroed when it runs. Coroutines
// are switched without either. Go 1.15 has no trackingSeq: only a waitsince that stays says that it did not run.
bool GoroutineReader::still_parked(const Slot& slot, const GView& view) const {
  if (!slot.settled || view.status != GoStatus::waiting || slot.state.status != GoStatus::waiting) return false;
  if (slot.pc != view.pc || slot.depth != view.depth() || slot.state.wait_reason != view.wait_reason) return false;
  if (view.wait_reason < wait_classes_.size() && wait_classes_[view.wait_reason] == WaitClass::coroutine) return false;
  if (slot.state.wait_since_ns != 0 && slot.state.wait_since_ns != view.wait_since) return false;
  if (!layout_.has_tracking()) return view.wait_since != 0 && slot.state.wait_since_ns == view.wait_since;
  return slot.tracking == view.tracking;
}

// `settled`: what is known of it was read while it stood still.
void GoroutineReader::finish(Job& job, bool settled) {
  const GView& view = job.view;
  Slot& slot = slots_[job.slot];
  GoroutineState& state = slot.state;
  state = GoroutineState{.goid = view.goid,
                         .parent_goid = view.parent,
                         .status = view.status,
                         .wait_reason = view.wait_reason,
                         .ran = true,
                         .stack_torn = !settled && job.unwound.count == 0 && !job.absent,
                         .system = is_system(view.start_pc),
                         .wait_since_ns = view.status == GoStatus::waiting ? view.wait_since : 0,
                         .stack_bytes = view.stack_hi - view.stack_lo,
                         .wait_objects = {}};
  state.created_at = symbolizer_.location(view.created_pc, true);
  state.start = symbolizer_.location(view.start_pc, false);
  slot.pc = view.pc;
  slot.depth = view.depth();
  slot.tracking = view.tracking;
  slot.settled = settled;
  if (job.unwound.count != 0) {
    state.stack = intern(job.unwound);
    if (job.unwound.truncated) ++truncated_stacks_.count;
    ++unwound_;
  }
  state.wait_object_count = job.wait.count;
  state.wait_objects = std::move(job.wait.objects);
  if (state.stack_torn) ++torn_in_look_;
  sink_.accept(state);
}

StackId GoroutineReader::intern(const UnwoundStack& stack) {
  auto& known = stacks_[hash_of(stack)];
  const auto pcs = stack.addresses();
  for (const KnownStack& candidate : known) {
    if (candidate.truncated == stack.truncated && candidate.first_is_exact == stack.first_is_exact &&
        std::ranges::equal(candidate.pcs, pcs)) {
      return candidate.id;
    }
  }
  const StackId id = symbolizer_.stack(pcs, stack.first_is_exact, stack.truncated);
  known.push_back({{pcs.begin(), pcs.end()}, stack.first_is_exact, stack.truncated, id});
  return id;
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
  if (!gone_.empty()) sink_.accept(GoroutinesGone{.goids = gone_});
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
