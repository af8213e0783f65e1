#include "proof/goroutines.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "goruntime/semaphore_waiters.h"

namespace gotrace::proof {

using goruntime::GView;
using goruntime::WaitClass;

namespace {

constexpr std::uint32_t kMostCases = 1U << 16;  // of a select (runtime/select.go: scases are numbered by uint16)
constexpr std::uint64_t kLargestSudog = 128;    // the size class that holds one, in every version
constexpr std::uint64_t kLargestCoro = 64;      // likewise
constexpr std::uint64_t kLargestClosure = 256;  // of iter.Pull's next and stop
constexpr std::string_view kSwitch = "runtime.coroswitch";

// From Go 1.26 on {vp, vu}, vu being the one that always holds the address (runtime/runtime2.go, maybeTraceablePtr).
std::uint32_t address_offset(const goruntime::Field& field) { return field.offset + (field.size == 16 ? 8 : 0); }

}  // namespace

class GoroutinesReader {
 public:
  GoroutinesReader(const Captured& captured, const HeapGraph& graph)
      : snapshot_(*captured.snapshot),
        program_(*captured.program),
        layout_(program_.layout()),
        graph_(graph),
        g_layout_(layout_) {
    for (const std::string& reason : program_.wait_reasons()) classes_.push_back(goruntime::classify_wait(reason));
  }

  [[nodiscard]] Result<Goroutines> read();

 private:
  [[nodiscard]] Status add(Address g);
  void read_semaphores();
  // The function of the runtime that parked it: who called gopark, or goparkunlock; or coroswitch. Empty: it was not
  // parked that way.
  [[nodiscard]] std::string_view parked_by(const GView& view);
  // False: what it waits for is not known, or somebody is about to wake it.
  [[nodiscard]] bool find_awaited(Goroutine& goroutine, const GView& view, Bytes g, std::string_view parked_by);
  [[nodiscard]] bool follow_channels(Goroutine& goroutine, const GView& view, Bytes g);
  [[nodiscard]] bool find_semaphore(Goroutine& goroutine);
  [[nodiscard]] bool find_condition(Goroutine& goroutine, const GView& view);
  [[nodiscard]] bool find_coroutine(Goroutine& goroutine, Bytes g);
  [[nodiscard]] bool await_coro(Goroutine& goroutine, Address address);
  [[nodiscard]] bool await(Goroutine& goroutine, Address address);
  [[nodiscard]] std::optional<Bytes> sudog_of(const Goroutine& goroutine, Address address) const;
  void note_sudog(Address address);
  [[nodiscard]] bool starts_in(const GView& view, std::string_view function) const;
  [[nodiscard]] bool of_runtime(const GView& view) const;
  [[nodiscard]] bool in_bubble(Bytes g) const;

  const process::Snapshot& snapshot_;
  const goruntime::Program& program_;
  const goruntime::Layout& layout_;
  const HeapGraph& graph_;
  goruntime::GLayout g_layout_;
  std::vector<WaitClass> classes_;  // index = g.waitreason
  struct Frame {                    // of a return address
    std::string_view function;
    std::optional<std::int32_t> delta;
  };
  [[nodiscard]] const Frame& frame_at(Address pc);
  std::unordered_map<Address, Frame> frames_;
  std::unordered_map<Address, goruntime::SemaphoreWaiter> semaphores_;  // by g
  Goroutines into_;
};

Result<Goroutines> GoroutinesReader::read() {
  if (auto why = g_layout_.why_unusable(); !why.empty()) return failure(why);
  auto list = goruntime::read_allgs(program_);
  if (!list) return failure("the list of goroutines (runtime.allgs) can't be read");
  into_.list_ = std::move(*list);
  read_semaphores();
  for (const Address g : into_.list_)
    if (auto added = add(g); !added) return added.error();
  std::ranges::sort(into_.stacks_, {}, &Goroutines::Stack::lo);
  return std::move(into_);
}

void GoroutinesReader::read_semaphores() {
  const auto waiters = goruntime::read_semaphore_waiters(program_);
  if (!waiters) return;  // who waits on one then counts as reachable
  for (const auto& waiter : *waiters) {
    semaphores_[waiter.g] = waiter;
    if (const auto sudog = graph_.find(waiter.sudog)) into_.bookkeeping_.push_back(*sudog);
  }
}

Status GoroutinesReader::add(Address g) {
  const auto bytes = snapshot_.bytes(g, layout_.g.size);
  if (!bytes) return failure(fmt::format("a goroutine can't be read ({:#x})", g));
  if (!g_layout_.plausible(g, *bytes)) return failure(fmt::format("no goroutine is where one should be ({:#x})", g));
  const GView view = g_layout_.decode(*bytes);
  if (!view.exists()) return success();
  Goroutine goroutine;
  goroutine.g = g;
  goroutine.goid = view.goid;
  goroutine.status = view.status;
  goroutine.created_pc = view.created_pc;
  goroutine.stack_lo = view.stack_lo;
  goroutine.stack_hi = view.stack_hi;
  goroutine.is_main = starts_in(view, "runtime.main");
  // Only of one that stands still is it known where its stack ends. One in a system call may have two saved stack
  // pointers (runtime/runtime2.go, syscallsp and sched.sp). One that waits, and was not parked, runs on the scheduler's
  // stack (runtime/proc.go, casGToWaiting).
  const bool parked = view.status == GoStatus::waiting || view.status == GoStatus::leaked;
  const std::string_view by = parked && view.has_still_stack() ? parked_by(view) : std::string_view();
  Address from = view.has_still_stack() && (!parked || !by.empty()) ? view.sp : view.stack_lo;
  const auto saved = load_or_zero<Address>(*bytes, layout_.g.sched_sp.offset);
  if (view.status == GoStatus::syscall && saved >= view.stack_lo) from = std::min(from, saved);
  goroutine.scan_from = from / 8 * 8;
  if (parked && view.wait_reason < classes_.size()) goroutine.wait = classes_[view.wait_reason];
  goroutine.first_awaited = static_cast<std::uint32_t>(into_.awaited_.size());
  goroutine.candidate = !by.empty() && find_awaited(goroutine, view, *bytes, by);
  into_.stacks_.push_back({view.stack_lo, view.stack_hi, static_cast<std::uint32_t>(into_.all_.size())});
  into_.all_.push_back(goroutine);
  return success();
}

const GoroutinesReader::Frame& GoroutinesReader::frame_at(Address pc) {
  const auto [known, fresh] = frames_.try_emplace(pc);
  if (!fresh || pc <= program_.load_bias()) return known->second;
  const std::uint64_t call = pc - program_.load_bias() - 1;
  const auto function = program_.functions().containing(call);
  if (function) known->second = {function->name, program_.functions().stack_delta(call)};
  return known->second;
}

std::string_view GoroutinesReader::parked_by(const GView& view) {
  if (view.pc == view.start_pc && starts_in(view, "runtime.corostart"))
    return kSwitch;  // nobody has switched to it yet
  if (frame_at(view.pc).function == kSwitch) return kSwitch;
  Address pc = view.pc;
  Address sp = view.sp;
  for (const std::string_view expected : {"runtime.gopark", "runtime.goparkunlock", ""}) {
    const Frame& frame = frame_at(pc);
    if (frame.function != expected) return expected == "runtime.gopark" ? std::string_view() : frame.function;
    const auto slot =
        frame.delta && *frame.delta >= 0 ? snapshot_.bytes(sp + static_cast<Address>(*frame.delta), 8) : std::nullopt;
    if (!slot) return {};
    sp += static_cast<Address>(*frame.delta) + 8;
    pc = load_or_zero<Address>(*slot, 0);
  }
  return {};
}

bool GoroutinesReader::starts_in(const GView& view, std::string_view function) const {
  if (view.start_pc < program_.load_bias()) return false;
  const auto found = program_.functions().containing(view.start_pc - program_.load_bias());
  return found && found->name == function;
}

bool GoroutinesReader::of_runtime(const GView& view) const {
  if (view.start_pc < program_.load_bias()) return true;
  const auto found = program_.functions().containing(view.start_pc - program_.load_bias());
  return !found || (found->name.starts_with("runtime.") && found->name != "runtime.main" &&
                    found->name != "runtime.corostart");  // these two run what is the program's
}

// testing/synctest: what ends a wait there is beyond what one goroutine holds of another.
bool GoroutinesReader::in_bubble(Bytes g) const {
  const auto set = [&](const goruntime::Field& field) {
    return field.present() && load_or_zero<std::uint64_t>(g, field.offset) != 0;
  };
  return set(layout_.g.bubble) || set(layout_.g.syncGroup);
}

// A package may park goroutines in ways of its own, under a wait reason of the runtime's (by go:linkname, as gVisor's
// sleep does with "select"): who wakes these is not known.
bool GoroutinesReader::find_awaited(Goroutine& goroutine, const GView& view, Bytes g, std::string_view parked_by) {
  if (of_runtime(view) || in_bubble(g)) return false;
  const bool by_channel =
      parked_by == "runtime.chanrecv" || parked_by == "runtime.chansend" || parked_by == "runtime.selectgo";
  switch (goroutine.wait) {
    case WaitClass::nil_channel:
      return by_channel || parked_by == "runtime.block";
    case WaitClass::receive:
    case WaitClass::send:
    case WaitClass::select:
      return by_channel && follow_channels(goroutine, view, g);
    case WaitClass::semaphore:
      return parked_by == "runtime.semacquire1" && find_semaphore(goroutine);
    case WaitClass::condition:
      return parked_by == "sync.runtime_notifyListWait" && find_condition(goroutine, view);  // its linkname
    case WaitClass::coroutine:
      return parked_by == kSwitch && find_coroutine(goroutine, g);
    case WaitClass::none:
      break;
  }
  return false;
}

std::optional<Bytes> GoroutinesReader::sudog_of(const Goroutine& goroutine, Address address) const {
  const auto sudog = snapshot_.bytes(address, layout_.sudog.size);
  if (!sudog || load_or_zero<Address>(*sudog, layout_.sudog.g.offset) != goroutine.g) return std::nullopt;
  return sudog;
}

void GoroutinesReader::note_sudog(Address address) {
  into_.sudogs_.push_back({address, static_cast<std::uint32_t>(into_.all_.size())});
  if (const auto object = graph_.find(address)) into_.bookkeeping_.push_back(*object);
}

// What is no object of the heap (a package variable, a stack) counts as reachable.
bool GoroutinesReader::await(Goroutine& goroutine, Address address) {
  const auto object = graph_.find(address);
  if (!object) return false;
  into_.awaited_.push_back(*object);
  ++goroutine.awaited;
  return true;
}

// g.param is nil from before the wait until somebody has taken the goroutine out of a channel's queue (runtime/chan.go,
// chansend, chanrecv, closechan; select.go, selectgo); g.selectDone is 0 likewise.
bool GoroutinesReader::follow_channels(Goroutine& goroutine, const GView& view, Bytes g) {
  const auto& fields = layout_.sudog;
  if (!layout_.g.param.present() || !layout_.g.selectDone.present() || !layout_.g.waiting.present()) return false;
  if (load_or_zero<std::uint64_t>(g, layout_.g.param.offset) != 0) return false;
  if (load_or_zero<std::uint32_t>(g, layout_.g.selectDone.offset) != 0) return false;
  // A select of nil channels only has no list (runtime/select.go); chansend and chanrecv set it before they park.
  if (view.waiting == 0) return goroutine.wait == WaitClass::select;
  std::uint32_t cases = 0;
  for (Address at = view.waiting; at != 0; ++cases) {
    const auto sudog = cases < kMostCases ? sudog_of(goroutine, at) : std::nullopt;
    if (!sudog || !await(goroutine, load_or_zero<Address>(*sudog, address_offset(fields.c)))) return false;
    note_sudog(at);
    at = goroutine.wait == WaitClass::select ? load_or_zero<Address>(*sudog, fields.waitlink.offset) : 0;
  }
  return true;
}

// One that is in the table no longer is being woken.
bool GoroutinesReader::find_semaphore(Goroutine& goroutine) {
  const auto found = semaphores_.find(goroutine.g);
  if (found == semaphores_.end() || !sudog_of(goroutine, found->second.sudog)) return false;
  note_sudog(found->second.sudog);
  return await(goroutine, found->second.semaphore);
}

// A sync.Cond is a list of sudogs (runtime/sema.go, notifyListWait): one who can reach the list reaches the sudog,
// which is on the waiter's own stack, and from Go 1.26 on in g.waiting. A stale one may be there as well.
bool GoroutinesReader::find_condition(Goroutine& goroutine, const GView& view) {
  const auto& fields = layout_.sudog;
  if (view.waiting != 0) {
    const auto sudog = sudog_of(goroutine, view.waiting);
    if (!sudog) return false;
    const auto list = load_or_zero<Address>(*sudog, address_offset(fields.elem));
    return await(goroutine, view.waiting) && (list == 0 || await(goroutine, list));
  }
  const auto stack = snapshot_.bytes(goroutine.scan_from, goroutine.stack_hi - goroutine.scan_from);
  for (std::size_t at = 0; stack && at + 8 <= stack->size(); at += 8) {
    const auto word = load_or_zero<Address>(*stack, at);
    const auto object = graph_.find(word);
    if (!object || graph_.address(*object) != word || graph_.size(*object) < fields.size) continue;
    if (graph_.size(*object) <= kLargestSudog && sudog_of(goroutine, word) && !await(goroutine, word)) return false;
  }
  return goroutine.awaited > 0;
}

// Both sides of iter.Pull wait in a runtime.coro {gp, f, ...}: gp is the one that is blocked in it now, f a closure
// (runtime/coro.go, 1.22 to 1.27). Only who can reach it can switch to that one.
bool GoroutinesReader::await_coro(Goroutine& goroutine, Address address) {
  const auto object = graph_.find(address);
  if (!object || graph_.address(*object) != address || graph_.size(*object) > kLargestCoro) return false;
  const auto coro = snapshot_.bytes(address, 16);
  if (!coro || load_or_zero<Address>(*coro, 0) != goroutine.g) return false;
  const auto code = program_.target().memory().value<Address>(load_or_zero<Address>(*coro, 8));
  if (!code || *code < program_.load_bias() || !program_.functions().containing(*code - program_.load_bias()))
    return false;
  return await(goroutine, address);
}

// The goroutine's own stack leads to the coro: that of the iterator holds it, to exit by it; that of who called next
// holds the closure that does.
bool GoroutinesReader::find_coroutine(Goroutine& goroutine, Bytes g) {
  if (!layout_.g.coroarg.present()) return false;
  if (const auto first = load_or_zero<Address>(g, layout_.g.coroarg.offset); first != 0)
    return await_coro(goroutine, first);
  const auto stack = snapshot_.bytes(goroutine.scan_from, goroutine.stack_hi - goroutine.scan_from);
  for (std::size_t at = 0; stack && goroutine.awaited == 0 && at + 8 <= stack->size(); at += 8) {
    const auto word = load_or_zero<Address>(*stack, at);
    if (await_coro(goroutine, word)) return true;
    const auto closure = graph_.find(word);
    if (!closure || graph_.size(*closure) > kLargestClosure) continue;
    const auto words = snapshot_.bytes(graph_.address(*closure), graph_.size(*closure));
    for (std::size_t i = 0; words && i + 8 <= words->size(); i += 8)
      if (await_coro(goroutine, load_or_zero<Address>(*words, i))) return true;
  }
  return false;
}

Result<Goroutines> Goroutines::read(const Captured& captured, const HeapGraph& graph) {
  return GoroutinesReader(captured, graph).read();
}

std::optional<std::uint32_t> Goroutines::by_stack(Address address) const {
  const auto after = std::ranges::upper_bound(stacks_, address, {}, &Stack::lo);
  if (after == stacks_.begin() || address >= std::prev(after)->hi) return std::nullopt;
  return std::prev(after)->goroutine;
}

}  // namespace gotrace::proof
