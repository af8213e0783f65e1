// Reading stacks and wait objects of goroutines that may run meanwhile: read, then see whether the g is as it was.
#include <algorithm>

#include "goruntime/goroutine_reader.h"

namespace gotrace::goruntime {
namespace {

constexpr int kAttempts = 4;  // the first and three more
constexpr std::uint64_t kStackBytes = 32ULL << 10;

bool same_stop(const GView& a, const GView& b) {
  return a.goid == b.goid && a.status == b.status && a.pc == b.pc && a.sp == b.sp && a.stack_hi == b.stack_hi &&
         a.tracking == b.tracking && a.wait_reason == b.wait_reason && a.waiting == b.waiting;
}

}  // namespace

void GoroutineReader::settle() {
  std::vector<Job*> pending;
  pending.reserve(jobs_.size());
  for (Job& job : jobs_) pending.push_back(&job);
  for (int attempt = 0; attempt < kAttempts && !pending.empty(); ++attempt) {
    read_stacks(pending);
    if (wait_objects_usable_) read_wait_objects(pending);
    pending = recheck(pending);
  }
  for (Job* job : pending) {
    job->settled = false;
    give_up(*job);
  }
  for (const Job& job : jobs_) {
    if (job.absent) ++absent_stacks_.count;
    if (job.view.exists()) finish(job);
  }
  jobs_.clear();
  pcs_.clear();
}

// Keeps what is true of it all the same.
void GoroutineReader::give_up(Job& job) {
  constexpr std::size_t kTellingFrames = 2;
  if (job.wait.torn) job.wait.forget();
  if (job.absent) return;
  if (job.changed || job.pc_count < kTellingFrames) {
    ++torn_stacks_.count;
    job.pc_count = 0;
    job.wait.forget();
    return;
  }
  if (job.complete) {
    ++torn_goroutines_.count;
  } else {
    job.truncated = true;  // it stands still, but its outer frames lead nowhere
  }
}

// Parked stacks are small and lie side by side: neighbours are read together, which takes half the time.
void GoroutineReader::read_stacks(std::span<Job*> jobs) {
  std::vector<process::Address> addresses;
  std::vector<std::uint32_t> sizes;
  std::vector<Job*> owners;
  stack_tops_.clear();
  addresses.reserve(jobs.size());
  sizes.reserve(jobs.size());
  owners.reserve(jobs.size());
  for (Job* job : jobs) {
    const GView& view = job->view;
    job->pc_count = 0;
    job->stack_bytes = 0;
    job->complete = job->absent = false;
    if (!stacks_usable_ || !view.has_still_stack()) continue;
    const auto size = static_cast<std::uint32_t>(std::min(view.depth(), kStackBytes));
    job->absent = present_ && !present_->present(view.sp, size);
    if (job->absent) continue;
    addresses.push_back(view.sp);
    sizes.push_back(size);
    owners.push_back(job);
  }
  const auto plan = make_read_plan(std::move(addresses), std::move(sizes));
  run_read_plan(memory_, plan, buffer_, [&](std::uint32_t index, Bytes stack) {
    unwind(*owners[index], stack);
    keep_stack_top(*owners[index], stack);
  });
}

void GoroutineReader::unwind(Job& job, Bytes stack) {
  const GView& view = job.view;
  UnwoundStack& unwound = unwound_stack_;
  const StackWindow window(view.sp, stack, view.stack_hi, &memory_);
  job.complete = unwinder_.unwind(view.pc, view.sp, view.bp, window, unwound);
  job.truncated = unwound.truncated;
  job.first_is_exact = unwound.first_is_exact;
  job.first_pc = static_cast<std::uint32_t>(pcs_.size());
  job.pc_count = static_cast<std::uint32_t>(unwound.count);
  const auto pcs = unwound.addresses();
  pcs_.insert(pcs_.end(), pcs.begin(), pcs.end());
}

// Only a semaphore is looked for on the stack.
void GoroutineReader::keep_stack_top(Job& job, Bytes stack) {
  if (job.view.status != GoStatus::waiting || wait_class(job.view) != WaitClass::semaphore) return;
  const Bytes top = stack.first(std::min(stack.size(), kSemaphoreStackBytes));
  job.stack_at = static_cast<std::uint32_t>(stack_tops_.size());
  job.stack_bytes = static_cast<std::uint32_t>(top.size());
  stack_tops_.insert(stack_tops_.end(), top.begin(), top.end());
}

void GoroutineReader::read_wait_objects(std::span<Job*> jobs) {
  std::vector<WaitQuery*> queries;
  queries.reserve(jobs.size());
  for (Job* job : jobs) {
    const GView& view = job->view;
    job->wait.forget();
    if (view.status != GoStatus::waiting) continue;
    const WaitClass wait = wait_class(view);
    if (wait == WaitClass::none || wait == WaitClass::coroutine) continue;
    WaitQuery& query = job->wait;
    query.g = job->g;
    query.waiting = view.waiting;
    query.wait = wait;
    query.stack = Bytes(stack_tops_).subspan(job->stack_at, job->stack_bytes);
    query.stack_begin = view.stack_lo;
    query.stack_end = view.stack_hi;
    queries.push_back(&query);
  }
  wait_objects_.read(queries);
}

// Those whose answer is not trustworthy: they went on while they were read, or what was read contradicts itself.
std::vector<GoroutineReader::Job*> GoroutineReader::recheck(std::span<Job*> jobs) {
  std::vector<process::Address> addresses;
  addresses.reserve(jobs.size());
  for (const Job* job : jobs) addresses.push_back(job->g);
  std::vector<Job*> again;
  std::vector<bool> seen(jobs.size());
  const auto plan = make_read_plan(std::move(addresses), layout_.size());
  run_read_plan(memory_, plan, buffer_, [&](std::uint32_t index, Bytes bytes) {
    Job& job = *jobs[index];
    seen[index] = true;
    const GView view = layout_.decode(bytes);
    const bool same = same_stop(job.view, view);
    const bool still = view.exists() && view.has_still_stack() && stacks_usable_;
    const bool torn = job.wait.torn || (still && !job.complete && !job.absent);
    job.changed = !same;
    job.view = view;
    if ((same && !torn) || !view.exists()) return;
    if (!still && !same) {  // it runs now: there is no stack to read
      job.pc_count = 0;
      job.wait.forget();
      if (view.status != GoStatus::copystack) return;
    }
    again.push_back(&job);
  });
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    if (!seen[i]) again.push_back(jobs[i]);
  }
  return again;
}

}  // namespace gotrace::goruntime
