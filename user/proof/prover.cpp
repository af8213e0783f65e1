#include "proof/prover.h"

#include <fmt/format.h>
#include <sys/syscall.h>
#include <sys/user.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <functional>
#include <map>
#include <tuple>

#include "goruntime/goroutine_reader_batch.h"
#include "goruntime/specials.h"
#include "proof/deadlocks.h"
#include "proof/reached_objects.h"
#include "proof/roots.h"
#include "proof/stack_scan.h"
#include "proof/thread_stacks.h"

namespace gotrace::proof {
namespace {

// GOEXPERIMENTs that change nothing of what is read here.
constexpr std::array<std::string_view, 8> kHarmlessExperiments{
    "boringcrypto", "loopvar", "rangefunc", "aliastypeparams", "coverageredesign", "jsonv2", "synctest", "regabi"};

bool harmless(std::string_view experiment) {
  return std::ranges::find(kHarmlessExperiments, experiment) != kHarmlessExperiments.end() ||
         experiment.starts_with("regabi");
}

class Prover {
 public:
  explicit Prover(const Captured& captured)
      : captured_(captured),
        graph_(*captured.program, *captured.snapshot, captured.spans, captured.heap_sweepgen),
        marker_(graph_),
        stack_scan_(*captured.program, *captured.snapshot),
        roots_(captured, graph_, marker_) {}

  [[nodiscard]] Verdicts run(const RetentionWish* wish, const ShowReached& show);

 private:
  void judge(Verdicts& verdicts);
  [[nodiscard]] Address frame_of(std::uint32_t goroutine, ObjectRef object);
  [[nodiscard]] std::string mark_from_roots();
  [[nodiscard]] std::string mark_threads();
  [[nodiscard]] bool waits_for_work(const process::StoppedThread& thread) const;
  void find_woken(Bytes words);
  void mark_registers(const process::StoppedThread& thread);
  [[nodiscard]] Bytes vector_registers(const process::StoppedThread& thread) const;
  [[nodiscard]] std::string go_live(std::uint32_t index);
  [[nodiscard]] std::string mark_goroutine(const Goroutine& goroutine);
  void mark_beside(Bytes g);
  void mark_stack_words(Bytes words);
  [[nodiscard]] std::string reach_fixpoint();
  [[nodiscard]] std::string answer_hits(const std::vector<std::uint32_t>& hits);
  void watch_candidates();
  void count_heap(Verdicts& into) const;
  void collect(Verdicts& into);
  void explain(Verdicts& into) const;
  void hold(const Goroutine& goroutine);

  const Captured& captured_;
  HeapGraph graph_;
  Marker marker_;
  StackScan stack_scan_;
  Roots roots_;
  Goroutines goroutines_;
  std::vector<bool> live_;
  std::unordered_map<std::uint32_t, std::vector<std::uint32_t>> waiters_;  // goroutines by awaited object
  std::unordered_map<std::uint32_t, std::vector<ObjectRef>> weak_;         // objects by handle
  std::unordered_map<Address, std::uint32_t> handed_;      // goroutines by their sudogs: who has one may wake it
  std::unordered_map<Address, std::uint32_t> candidates_;  // goroutines by their g
  std::vector<std::uint32_t> woken_;                       // found in somebody's hands
};

Verdicts Prover::run(const RetentionWish* wish, const ShowReached& show) {
  const std::uint64_t begin = goruntime::monotonic_ns();
  Verdicts verdicts;
  count_heap(verdicts);
  if (wish != nullptr) marker_.keep_references(verdicts.scannable_bytes / 8, kMostReferences);
  judge(verdicts);
  verdicts.mark_ns = goruntime::monotonic_ns() - begin;
  if (wish == nullptr || !verdicts.off.empty()) return verdicts;
  verdicts.retention = find_retention(
      captured_, graph_, marker_, goroutines_, live_,
      [this](std::uint32_t goroutine, ObjectRef object) { return frame_of(goroutine, object); }, *wish);
  ReachedObjects reached(graph_, marker_, captured_.heap_sweepgen);
  show(reached);
  return verdicts;
}

// The outermost frame: who made it, and handed it on.
Address Prover::frame_of(std::uint32_t goroutine, ObjectRef object) {
  const auto pointers = stack_scan_.pointers(goroutines_.all()[goroutine]);
  for (std::size_t i = pointers ? pointers->size() : 0; i-- > 0;)
    if (graph_.find((*pointers)[i]) == object) return stack_scan_.frame_of(i);
  return 0;
}

void Prover::judge(Verdicts& verdicts) {
  verdicts.off = why_unprovable(*captured_.program);
  if (verdicts.off.empty()) verdicts.off = captured_.incomplete;
  if (!verdicts.off.empty()) return;
  verdicts.off = graph_.why_unusable();
  auto goroutines = Goroutines::read(captured_, graph_);
  if (verdicts.off.empty() && !goroutines) verdicts.off = goroutines.error().text;
  if (!verdicts.off.empty()) return;
  goroutines_ = std::move(*goroutines);
  live_.assign(goroutines_.all().size(), false);
  verdicts.goroutines = goroutines_.all().size();
  verdicts.candidates = static_cast<std::uint64_t>(std::ranges::count_if(goroutines_.all(), &Goroutine::candidate));
  verdicts.off = mark_from_roots();
  if (verdicts.off.empty()) verdicts.off = reach_fixpoint();
  verdicts.marked_objects = marker_.objects();
  verdicts.marked_bytes = marker_.bytes();
  verdicts.scanned_bytes = marker_.scanned_bytes();
  if (verdicts.off.empty()) explain(verdicts);
  if (verdicts.off.empty()) collect(verdicts);
}

void Prover::count_heap(Verdicts& into) const {
  for (const goruntime::SpanView& span : captured_.spans) {
    if (!span.in_use()) continue;
    into.heap_bytes += span.pages * 8192;
    if (!span.noscan()) into.scannable_bytes += span.pages * 8192;
  }
}

std::string Prover::mark_from_roots() {
  if (auto why = roots_.set_aside_bookkeeping(goroutines_); !why.empty()) return why;
  watch_candidates();
  // The best explanations first: of two ways of the same length the first is told.
  for (const auto step :
       {&Roots::mark_data, &Roots::mark_processors, &Roots::mark_specials, &Roots::mark_queues, &Roots::mark_foreign}) {
    if (auto why = (roots_.*step)(); !why.empty()) return why;
  }
  if (auto why = mark_threads(); !why.empty()) return why;
  marker_.from({Origin::Kind::finalizer, 0});
  for (const auto& handle : roots_.weak_handles()) {
    weak_[graph_.number(handle.handle)].push_back(handle.object);
    // Marked already, or watched from now on.
    if (marker_.marked(handle.handle)) marker_.mark(handle.object);
    marker_.watch(handle.handle);
  }
  for (std::uint32_t i = 0; i < live_.size(); ++i) {
    if (goroutines_.all()[i].candidate || live_[i]) continue;
    if (auto why = go_live(i); !why.empty()) return why;
  }
  return {};
}

void Prover::watch_candidates() {
  const auto& all = goroutines_.all();
  for (std::uint32_t i = 0; i < all.size(); ++i) {
    if (!all[i].candidate) continue;
    for (const ObjectRef object : goroutines_.awaited(all[i])) {
      waiters_[graph_.number(object)].push_back(i);
      marker_.watch(object);
    }
  }
  for (const auto& sudog : goroutines_.sudogs()) handed_[sudog.address] = sudog.goroutine;
  for (std::uint32_t i = 0; i < all.size(); ++i)
    if (all[i].candidate) candidates_[all[i].g] = i;
}

// Words of a goroutine that runs: a sudog among them may be one that it is taking out of the table of semaphores just
// now (runtime/sema.go, dequeue), having no use any more for the semaphore's address. Who is taken out of a channel's
// queue is told by g.param; until that is set the channel itself is needed, to be unlocked (runtime/chan.go, send, recv
// and closechan), and is among these words, too.
void Prover::mark_stack_words(Bytes words) {
  for (std::size_t at = 0; at + 8 <= words.size(); at += 8) {
    const auto word = load_or_zero<std::uint64_t>(words, at);
    marker_.mark(word);
    if (const auto found = handed_.find(word); found != handed_.end()) woken_.push_back(found->second);
  }
}

// What the garbage collector has left in vector registers (from Go 1.26 on dozens of addresses) would look like
// pointers. Go keeps nothing in them across a call, and so none across a system call; its compiler uses the lower
// halves of the first sixteen only (cmd/compile/internal/amd64, Go 1.15 to 1.27). Code in assembly, and C's, may use
// all.
Bytes Prover::vector_registers(const process::StoppedThread& thread) const {
  constexpr std::size_t kBegin = 160;  // of xmm0 in the XSAVE area (Intel SDM, volume 1, 10.5.1)
  constexpr std::size_t kBytes = 256;  // 16 of 16
  const auto all = std::as_bytes(std::span(thread.extended));
  const auto& program = *captured_.program;
  if (program.build_info().cgo || all.size() < kBegin + kBytes) return all;
  if (thread.in_system_call) return {};
  if (thread.program_counter < program.load_bias()) return all;
  const auto frames = program.functions().frames(thread.program_counter - program.load_bias());
  const bool compiled = !frames.empty() && frames.front().file.ends_with(".go");
  return compiled ? all.subspan(kBegin, kBytes) : all;
}

// In the end who wakes a goroutine has its g alone, on its own stack and on the scheduler's (runtime/sema.go,
// readyWithTime; runtime/proc.go, goready and ready): neither the semaphore nor the sudog is needed any more.
void Prover::find_woken(Bytes words) {
  for (std::size_t at = 0; at + 8 <= words.size(); at += 8) {
    const auto found = candidates_.find(load_or_zero<std::uint64_t>(words, at));
    if (found != candidates_.end()) woken_.push_back(found->second);
  }
}

// A thread without work, which stands in the scheduler, still has the g there that it ran last (runtime/proc.go, park_m
// calls schedule): it wakes nobody.
bool Prover::waits_for_work(const process::StoppedThread& thread) const {
  constexpr std::size_t kNumber = offsetof(user_regs_struct, orig_rax) / 8;
  if (!thread.in_system_call || thread.registers.size() <= kNumber) return false;
  if (goroutines_.by_stack(thread.stack_pointer)) return false;
  const std::uint64_t call = thread.registers[kNumber];
  return call == SYS_futex || call == SYS_epoll_wait || call == SYS_epoll_pwait;
}

void Prover::mark_registers(const process::StoppedThread& thread) {
  const bool on_goroutine = goroutines_.by_stack(thread.stack_pointer).has_value();
  for (const Bytes words : {std::as_bytes(std::span(thread.registers)), vector_registers(thread)}) {
    if (on_goroutine) {
      mark_stack_words(words);
    } else {
      marker_.mark_all(words);
    }
  }
  // Vector registers have what was copied last, lists of goroutines for one.
  if (!waits_for_work(thread)) find_woken(std::as_bytes(std::span(thread.registers)));
}

std::string unreadable_stack(const process::MemoryRange& range) {
  return fmt::format("the stack of a thread can't be read ({:#x})", range.begin);
}

std::string Prover::mark_threads() {
  ThreadStacks stacks(captured_, goroutines_);
  ThreadStacks idle(captured_, goroutines_);
  marker_.from({Origin::Kind::thread, 0});
  for (const process::StoppedThread& thread : captured_.threads) {
    mark_registers(thread);
    if (auto why = (waits_for_work(thread) ? idle : stacks).add(thread); !why.empty()) return why;
  }
  for (const process::MemoryRange& range : stacks.ranges()) {
    const auto words = captured_.snapshot->bytes(range.begin, range.size());
    if (!words) return unreadable_stack(range);
    mark_stack_words(*words);
    find_woken(*words);
  }
  for (const process::MemoryRange& range : idle.ranges()) {
    const auto words = captured_.snapshot->bytes(range.begin, range.size());
    if (!words) return unreadable_stack(range);
    marker_.mark_all(*words);
  }
  auto& all = goroutines_.all();
  for (const auto& [goroutine, from] : stacks.running()) {
    all[goroutine].scan_from = from;
    const auto words = captured_.snapshot->bytes(from, all[goroutine].stack_hi - from);
    if (words) mark_stack_words(*words);
    if (words) find_woken(*words);
    if (auto why = go_live(goroutine); !why.empty()) return why;
  }
  for (std::uint32_t i = 0; i < all.size(); ++i) {
    if (all[i].status != GoStatus::running || live_[i]) continue;
    const auto words = captured_.snapshot->bytes(all[i].scan_from, all[i].stack_hi - all[i].scan_from);
    if (words) mark_stack_words(*words);
    if (words) find_woken(*words);
  }
  for (const std::uint32_t goroutine : woken_)
    if (auto why = go_live(goroutine); !why.empty()) return why;
  return {};
}

// Its stack and its g struct lead on from now on.
std::string Prover::go_live(std::uint32_t index) {
  if (live_[index]) return {};
  live_[index] = true;
  return mark_goroutine(goroutines_.all()[index]);
}

std::string Prover::mark_goroutine(const Goroutine& goroutine) {
  const auto g = captured_.snapshot->bytes(goroutine.g, captured_.program->layout().g.size);
  if (goroutine.stack_hi < goroutine.scan_from || !g) return fmt::format("goroutine {} can't be read", goroutine.goid);
  const auto stack = captured_.snapshot->bytes(goroutine.scan_from, goroutine.stack_hi - goroutine.scan_from);
  if (!stack) return fmt::format("the stack of goroutine {} can't be read", goroutine.goid);
  marker_.from({Origin::Kind::goroutine, goroutine.goid});
  marker_.mark_all(*g);
  if (const auto pointers = stack_scan_.pointers(goroutine)) {
    for (const std::uint64_t pointer : *pointers) marker_.mark(pointer);
    return {};
  }
  marker_.mark_all(*stack);
  if (goroutine.status != GoStatus::waiting) mark_beside(*g);
  return {};
}

// From Go 1.26 on the vector registers of a goroutine that was preempted are kept outside of heap and stack
// (runtime/preempt_xreg.go, g.xRegs): whatever a g leads to outside of the heap counts.
void Prover::mark_beside(Bytes g) {
  constexpr std::uint64_t kBytes = 4096;  // of an xRegState, with room
  for (std::size_t at = 0; at + 8 <= g.size(); at += 8) {
    const auto address = load_or_zero<Address>(g, at) / 8 * 8;
    const auto after = std::ranges::upper_bound(captured_.foreign, address, {}, &process::MemoryRange::begin);
    if (after == captured_.foreign.begin() || address >= std::prev(after)->end) continue;
    const auto words = captured_.snapshot->bytes(address, std::min(kBytes, std::prev(after)->end - address));
    if (words) marker_.mark_all(*words);
  }
}

std::string Prover::answer_hits(const std::vector<std::uint32_t>& hits) {
  for (const std::uint32_t object : hits) {
    marker_.from({Origin::Kind::finalizer, 0});
    if (const auto found = weak_.find(object); found != weak_.end())
      for (const ObjectRef target : found->second) marker_.mark(target);
    const auto found = waiters_.find(object);
    if (found == waiters_.end()) continue;
    for (const std::uint32_t goroutine : found->second)
      if (auto why = go_live(goroutine); !why.empty()) return why;
  }
  return {};
}

std::string Prover::reach_fixpoint() {
  // What was set aside, or marked before it was watched, tells nothing by itself.
  for (const auto& [number, goroutines] : waiters_) {
    if (!marker_.marked(graph_.object_of(number))) continue;
    if (auto why = answer_hits({number}); !why.empty()) return why;
  }
  for (;;) {
    marker_.drain();
    const auto hits = marker_.take_hits();
    if (hits.empty()) return {};
    if (auto why = answer_hits(hits); !why.empty()) return why;
  }
}

void Prover::hold(const Goroutine& goroutine) {
  (void)mark_goroutine(goroutine);  // could be read before
  for (const ObjectRef object : goroutines_.awaited(goroutine)) marker_.mark(object);
  marker_.drain();
}

// Each kind by one of its members: the first that what it waits for was reached of.
void Prover::explain(Verdicts& into) const {
  constexpr std::size_t kMostGroups = 256;
  std::map<std::tuple<Address, goruntime::WaitClass>, ReachedGroup> groups;
  for (std::uint32_t i = 0; i < live_.size(); ++i) {
    const Goroutine& goroutine = goroutines_.all()[i];
    if (!goroutine.candidate || !live_[i] || goroutine.is_main) continue;
    ReachedGroup& group = groups[{goroutine.created_pc, goroutine.wait}];
    if (group.goroutines++ != 0) continue;
    group.goid = goroutine.goid;
    group.wait = goroutine.wait;
    group.way.origin = {Origin::Kind::thread, 0};  // one that is just being woken
    for (const ObjectRef object : goroutines_.awaited(goroutine)) {
      if (!marker_.marked(object)) continue;
      group.way = way_to(graph_, marker_, object);
      break;
    }
  }
  for (auto& [key, group] : groups) into.reached.push_back(std::move(group));
  std::ranges::stable_sort(into.reached, std::greater(), &ReachedGroup::goroutines);
  if (into.reached.size() > kMostGroups) into.reached.resize(kMostGroups);
}

// That runtime.main waits for ever is how many programs are built, and nobody's leak.
void Prover::collect(Verdicts& into) {
  const auto& all = goroutines_.all();
  std::vector<std::uint32_t> proved;
  for (std::uint32_t i = 0; i < live_.size(); ++i)
    if (!live_[i] && !all[i].is_main) proved.push_back(i);
  std::ranges::sort(proved, {}, [&all](std::uint32_t index) { return all[index].goid; });
  const auto deadlocks = find_deadlocks(goroutines_, graph_, proved, [this](const Goroutine& goroutine) {
    return stack_scan_.pointers(goroutine).value_or(std::vector<std::uint64_t>());
  });
  for (std::uint32_t i = 0; i < live_.size(); ++i)
    if (!live_[i] && all[i].is_main) hold(all[i]);
  for (std::size_t i = 0; i < proved.size(); ++i) {
    const Goroutine& goroutine = all[proved[i]];
    const std::uint64_t before = marker_.bytes();
    hold(goroutine);
    into.proved.push_back({goroutine.goid, goroutine.g, marker_.bytes() - before, deadlocks[i]});
  }
}

}  // namespace

std::string why_unprovable(const goruntime::Program& program) {
  const auto& build = program.build_info();
  if (!program.layout_exact() || !goruntime::special_kinds_known(build.minor))
    return fmt::format("the structures of {}'s runtime are not known exactly", build.go_version);
  if (build.race) return "it was built with -race, whose runtime is laid out differently";
  for (const std::string& experiment : build.experiments)
    if (!harmless(experiment))
      return fmt::format("it was built with GOEXPERIMENT={}, which is not known here", experiment);
  const auto module = program.global("firstmoduledata");
  const auto& next = program.layout().moduledata.next;
  const auto other =
      module && next.present() ? program.target().memory().value<Address>(*module + next.offset) : std::nullopt;
  if (!other) return "the description of its module can't be read";
  if (*other != 0) return "it has loaded plugins, whose package variables are not looked at";
  return {};
}

Verdicts prove(const Captured& captured, const RetentionWish* wish, const ShowReached& show) {
  return Prover(captured).run(wish, show);
}

}  // namespace gotrace::proof
