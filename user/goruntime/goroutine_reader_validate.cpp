// Believing the layout table only after the live process agrees with it.
#include <algorithm>

#include "goruntime/goroutine_reader.h"

namespace gotrace::goruntime {
namespace {

constexpr std::size_t kSample = 256;  // goroutines that are tried
constexpr int kRounds = 3;            // the program runs meanwhile: a contradiction must repeat

}  // namespace

// The first ones, among them the runtime's own and main, and the last ones. Empty: allgs can't be read.
std::vector<process::Address> GoroutineReader::sample() const {
  auto first = read_allgs(program_, 0, kSample / 2);
  if (!first) return {};
  const std::uint64_t rest = first->length - first->addresses.size();
  const auto last = read_allgs(program_, first->length - std::min<std::uint64_t>(rest, kSample / 2), kSample / 2);
  if (!last) return {};
  first->addresses.insert(first->addresses.end(), last->addresses.begin(), last->addresses.end());
  return std::move(first->addresses);
}

void GoroutineReader::send_source(const char* name, const std::string& failure) {
  sink_.accept(SourceState{.time_ns = now_ns_,
                           .name = name,
                           .status = failure.empty() ? SourceStatus::on : SourceStatus::failed,
                           .reason = failure,
                           .fix = ""});
}

void GoroutineReader::validate() {
  const std::string list = validate_list();
  usable_ = list.empty();
  send_source("snapshots", list);
  const std::string stacks = usable_ ? validate_stacks() : "goroutines can't be read: " + list;
  stacks_usable_ = stacks.empty();
  send_source("stacks", stacks);
  std::string objects = usable_ ? wait_objects_.why_unusable() : "goroutines can't be read: " + list;
  if (objects.empty() && program_.wait_reasons().empty()) {
    objects = "the runtime's wait reasons were not found: " + program_.why_missing("waitReasonStrings");
  }
  if (objects.empty()) objects = validate_wait_objects();
  wait_objects_usable_ = objects.empty();
  send_source("wait-objects", objects);
}

std::string GoroutineReader::validate_list() const {
  if (std::string why = layout_.why_unusable(); !why.empty()) return why;
  if (!program_.global("allgs")) return "runtime.allgs was not found: " + program_.why_missing("allgs");
  std::string why;
  for (int round = 0; round < kRounds; ++round) {
    const auto some = sample();
    if (some.empty()) {
      why = "runtime.allgs can't be read";
      continue;
    }
    std::size_t good = 0;
    run_read_plan(memory_, make_read_plan(some, layout_.size()), [&](std::uint32_t index, Bytes bytes) {
      if (layout_.plausible(some[index], bytes)) ++good;
    });
    // A goroutine that is being born or reused may be seen half-made.
    if (good + some.size() / 10 >= some.size() && good > 0) return {};
    why = "the layout of runtime.g does not fit this process";
  }
  return why;
}

std::string GoroutineReader::validate_stacks() {
  const auto some = sample();
  if (some.empty()) return "runtime.allgs can't be read";
  std::size_t tried = 0;
  std::size_t complete = 0;
  run_read_plan(memory_, make_read_plan(some, layout_.size()), [&](std::uint32_t, Bytes bytes) {
    const GView view = layout_.decode(bytes);
    if (view.status != GoStatus::waiting || !view.has_still_stack()) return;
    ++tried;
    UnwoundStack stack;
    const StackWindow window(view.sp, {}, view.stack_hi, &memory_);
    if (unwinder_.unwind(view.pc, view.sp, view.bp, window, stack)) ++complete;
  });
  if (tried == 0) return {};  // nothing speaks against it; each stack is checked when it is read
  return complete * 2 >= tried ? "" : "the stacks of parked goroutines do not lead to known functions";
}

std::string GoroutineReader::validate_wait_objects() {
  std::size_t tried = 0;
  std::size_t torn = 0;
  for (int round = 0; round < kRounds; ++round) {
    const auto some = sample();
    if (some.empty()) return "runtime.allgs can't be read";
    std::vector<WaitQuery> queries;
    run_read_plan(memory_, make_read_plan(some, layout_.size()), [&](std::uint32_t index, Bytes bytes) {
      const GView view = layout_.decode(bytes);
      if (view.status != GoStatus::waiting || view.wait_reason >= wait_classes_.size()) return;
      const WaitClass wait = wait_classes_[view.wait_reason];
      const bool channel = wait == WaitClass::receive || wait == WaitClass::send || wait == WaitClass::select;
      if (channel) queries.push_back({.g = some[index], .waiting = view.waiting, .wait = wait});
    });
    wait_objects_.begin_look();
    std::vector<WaitQuery*> asked;
    for (WaitQuery& query : queries) asked.push_back(&query);
    wait_objects_.read(asked);
    tried = queries.size();
    torn = static_cast<std::size_t>(std::ranges::count_if(queries, [](const WaitQuery& q) { return q.torn; }));
    if (torn * 2 <= tried) return {};
  }
  return "the layouts of runtime.sudog and runtime.hchan do not fit this process";
}

}  // namespace gotrace::goruntime
