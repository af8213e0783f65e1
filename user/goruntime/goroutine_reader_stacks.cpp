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
    for (Job* job : pending) unwind(*job);
    if (wait_objects_usable_) read_wait_objects(pending);
    pending = recheck(pending);
  }
  std::vector<bool> settled(jobs_.size(), true);
  for (Job* job : pending) {
    settled[static_cast<std::size_t>(job - jobs_.data())] = false;
    give_up(*job);
  }
  for (std::size_t i = 0; i < jobs_.size(); ++i) {
    if (jobs_[i].absent) ++absent_stacks_.count;
    if (jobs_[i].view.exists()) finish(jobs_[i], settled[i]);
  }
  jobs_.clear();
}

// Keeps what is true of it all the same.
void GoroutineReader::give_up(Job& job) {
  constexpr std::size_t kTellingFrames = 2;
  if (job.wait.torn) job.wait = WaitQuery{};
  if (job.absent) return;
  if (job.changed || job.unwound.count < kTellingFrames) {
    ++torn_stacks_.count;
    job.unwound.count = 0;
    job.wait = WaitQuery{};
    return;
  }
  if (job.complete) {
    ++torn_goroutines_.count;
  } else {
    job.unwound.truncated = true;  // it stands still, but its outer frames lead nowhere
  }
}

void GoroutineReader::read_stacks(std::span<Job*> jobs) {
  std::vector<process::ReadRequest> requests;
  std::vector<Job*> owners;
  for (Job* job : jobs) {
    job->unwound.count = 0;
    job->complete = false;
    const GView& view = job->view;
    job->stack.clear();
    job->absent = false;
    if (!stacks_usable_ || !view.has_still_stack()) continue;
    const std::uint64_t size = std::min(view.depth(), kStackBytes);
    job->absent = present_ && !present_->present(view.sp, size);
    if (job->absent) continue;
    job->stack.resize(static_cast<std::size_t>(size));
    requests.push_back({.address = view.sp, .into = job->stack});
    owners.push_back(job);
  }
  memory_.read_many(requests);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    if (!requests[i].done) owners[i]->stack.clear();
  }
}

void GoroutineReader::unwind(Job& job) {
  if (job.stack.empty()) return;
  const GView& view = job.view;
  const StackWindow window(view.sp, job.stack, view.stack_hi, &memory_);
  job.complete = unwinder_.unwind(view.pc, view.sp, view.bp, window, job.unwound);
}

void GoroutineReader::read_wait_objects(std::span<Job*> jobs) {
  std::vector<WaitQuery> queries;
  std::vector<Job*> owners;
  for (Job* job : jobs) {
    const GView& view = job->view;
    job->wait = WaitQuery{};
    if (view.status != GoStatus::waiting || view.wait_reason >= wait_classes_.size()) continue;
    const WaitClass wait = wait_classes_[view.wait_reason];
    if (wait == WaitClass::none || wait == WaitClass::coroutine) continue;
    queries.push_back({.g = plan_.addresses[job->slot],
                       .waiting = view.waiting,
                       .wait = wait,
                       .stack = job->stack,
                       .stack_begin = view.stack_lo,
                       .stack_end = view.stack_hi});
    owners.push_back(job);
  }
  wait_objects_.read(queries);
  for (std::size_t i = 0; i < owners.size(); ++i) owners[i]->wait = std::move(queries[i]);
}

// Those whose answer is not trustworthy: they went on while they were read, or what was read contradicts itself.
std::vector<GoroutineReader::Job*> GoroutineReader::recheck(std::span<Job*> jobs) {
  std::vector<process::Address> addresses;
  addresses.reserve(jobs.size());
  for (const Job* job : jobs) addresses.push_back(plan_.addresses[job->slot]);
  std::vector<Job*> again;
  std::vector<bool> seen(jobs.size());
  run_read_plan(memory_, make_read_plan(std::move(addresses), layout_.size()), [&](std::uint32_t index, Bytes bytes) {
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
      job.unwound.count = 0;
      job.wait = WaitQuery{};
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
