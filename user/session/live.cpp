// run_live: one visible order. Open the target, start the trace, describe, look, and at the end look once more, judge
// what is suspected, and close the trace. The report is made from the records only, as replay makes it.
#include <fmt/format.h>
#include <poll.h>

#include <thread>

#include "detect/analyze.h"
#include "detect/goroutines.h"
#include "goruntime/profile_switch.h"
#include "goruntime/program.h"
#include "goruntime/readers.h"
#include "goruntime/retention_reader.h"
#include "goruntime/symbolizer.h"
#include "probe/probe_session.h"
#include "process/memory_figures.h"
#include "process/target.h"
#include "session/clock.h"
#include "session/hub.h"
#include "session/probe_choice.h"
#include "session/resource_looks.h"
#include "session/schedule.h"
#include "session/session.h"

namespace gotrace::session {

namespace {

constexpr std::uint64_t kTick = 50'000'000;          // heap counters, and all the rest, ns
constexpr std::size_t kMostCohorts = 4;              // to look for holders of
constexpr std::uint64_t kHolderBudget = 256U << 20;  // bytes of the target read for each cohort

class LiveSession {
 public:
  LiveSession(const LiveOptions& options, const LiveCallbacks& callbacks, const process::Target& target,
              const goruntime::Program& program, Hub& hub)
      : options_(options),
        callbacks_(callbacks),
        target_(target),
        program_(program),
        hub_(hub),
        symbolizer_(program, hub),
        shares_(options.max_cpu),
        goroutine_schedule_(options.interval_ns / 2, shares_.goroutines),  // ten seconds are enough steps to judge
        slow_schedule_(options.interval_ns, shares_.slow_looks),
        screen_schedule_(options.interval_ns, shares_.screen) {}

  // An Error when nothing at all can be read.
  [[nodiscard]] Result<detect::Analysis> run();

 private:
  void start_readers();
  [[nodiscard]] Status assist();
  [[nodiscard]] std::string why_blind() const;
  void start_probes();
  void look_around(std::uint64_t now_ns);
  void look_often(std::uint64_t now_ns);
  void look_slowly(std::uint64_t now_ns);
  void look_at_goroutines(std::uint64_t now_ns);
  void look_at_memory(std::uint64_t now_ns);
  void note(goruntime::Look look) { gone_ = gone_ || look == goruntime::Look::target_gone; }
  void check_alive();
  void suspend();
  bool handle(Request request);
  bool trace_failed();
  void show_interval(std::uint64_t now_ns);
  [[nodiscard]] Request wait_for_next(std::uint64_t now_ns);
  void settle_suspicions();
  void finish();

  const LiveOptions& options_;
  const LiveCallbacks& callbacks_;
  const process::Target& target_;
  const goruntime::Program& program_;
  Hub& hub_;
  goruntime::Symbolizer symbolizer_;
  std::unique_ptr<goruntime::Reader> goroutines_, heap_profile_, heap_counters_;
  std::unique_ptr<goruntime::ObjectLookup> objects_;
  std::unique_ptr<goruntime::RetentionReader> retention_;
  std::unique_ptr<goruntime::ProfileSwitch> profile_switch_;  // null: nothing was written
  std::unique_ptr<ResourceLooks> resources_;
  std::unique_ptr<probe::ProbeSession> probes_;
  CpuShares shares_;
  Schedule goroutine_schedule_, slow_schedule_, screen_schedule_;
  std::optional<std::uint32_t> profiled_cycle_;  // the GC cycle that the last heap profile belongs to
  std::uint64_t deadline_ns_ = 0;                // 0: none
  std::uint64_t next_tick_ns_ = 0;
  EndReason reason_ = EndReason::duration;
  bool gone_ = false;
  bool memory_failed_ = false;
};

SessionStart session_start(const LiveOptions& options) {
  SessionStart start;
  start.tool_version = GOTRACE_VERSION;
  start.wall_ns = wall_ns();
  start.time_ns = monotonic_ns();
  start.interval_ns = options.interval_ns;
  start.stuck_after_ns = options.stuck_after_ns;
  start.planned_duration_ns = options.duration_ns;
  start.max_overhead = options.max_overhead_text;
  start.probes = options.probes;
  return start;
}

// Before anything is attached: a child of ours that lives as long as the write must not hold probes.
Status LiveSession::assist() {
  if (!options_.assist) return success();
  auto turned = goruntime::ProfileSwitch::turn_on(program_, hub_, [this](const std::string& text) {
    if (callbacks_.warn) callbacks_.warn(text);
  });
  if (!turned) return turned.error();
  profile_switch_ = std::move(*turned);
  if (!profile_switch_ && callbacks_.warn)
    callbacks_.warn("--assist: the program's heap profile is on already; nothing was written");
  return success();
}

void LiveSession::start_readers() {
  goroutines_ = goruntime::make_goroutine_reader(program_, symbolizer_, hub_);
  heap_profile_ = goruntime::make_heap_profile_reader(program_, symbolizer_, hub_, profile_switch_ != nullptr);
  heap_counters_ = goruntime::make_heap_counter_reader(program_, hub_);
  objects_ = goruntime::make_object_lookup(program_, hub_);
  retention_ = goruntime::make_retention_reader(program_, symbolizer_, *objects_, hub_, options_.max_cpu);
  resources_ = std::make_unique<ResourceLooks>(program_, symbolizer_, hub_);
}

// Why no source of the runtime's own can be read; empty when one can.
std::string LiveSession::why_blind() const {
  const auto& sources = hub_.model().sources();
  for (const char* name : {"snapshots", "heap-profile", "heap-counters"}) {
    const auto source = sources.find(name);
    if (source == sources.end() || source->second.status != SourceStatus::failed) return "";
  }
  return sources.at("snapshots").reason;
}

void LiveSession::start_probes() {
  auto chosen = parse_probes(options_.probes);
  const bool wanted = chosen && chosen->has_value() && options_.max_overhead > 0;
  if (!wanted) {
    hub_.accept(SourceState{monotonic_ns(), "probes", SourceStatus::off,
                            options_.max_overhead > 0 ? "--probes none" : "--max-overhead 0", ""});
    return;
  }
  auto& probe_options = **chosen;
  probe_options.max_overhead = options_.max_overhead;
  probe_options.buffer_bytes = options_.buffer_bytes;
  probes_ = probe::ProbeSession::start(program_, symbolizer_, *objects_, hub_, probe_options, [this] {
    note(heap_counters_->look(monotonic_ns()));
    return hub_.last_counters();
  });
  probes_->report(monotonic_ns());
  hub_.warn_about_probes();
}

void LiveSession::look_around(std::uint64_t now_ns) {
  if (probes_ && now_ns >= probes_->due_ns()) probes_->drain(now_ns);
  if (now_ns >= next_tick_ns_) {
    look_often(now_ns);
    next_tick_ns_ = now_ns + kTick;
  }
  if (!gone_ && goroutine_schedule_.due(now_ns)) look_at_goroutines(monotonic_ns());
  if (!gone_ && slow_schedule_.due(now_ns)) look_slowly(monotonic_ns());
  if (!gone_ && retention_->due(now_ns)) note(retention_->look(monotonic_ns()));
}

void LiveSession::look_often(std::uint64_t now_ns) {
  const auto look = heap_counters_->look(now_ns);
  note(look);
  const auto& counters = hub_.last_counters();
  if (gone_ || look != goruntime::Look::ok || !counters) return;
  if (probes_) probes_->check_fates(*counters);
  // The heap profile moves when a GC ends: what it says between two GCs is of the older one.
  if (profiled_cycle_ && *profiled_cycle_ != counters->gc_cycles) note(heap_profile_->look(monotonic_ns()));
  profiled_cycle_ = counters->gc_cycles;
}

void LiveSession::look_at_goroutines(std::uint64_t now_ns) {
  const std::uint64_t cpu_before = thread_cpu_ns();
  note(goroutines_->look(now_ns));
  goroutine_schedule_.done(now_ns, monotonic_ns(), thread_cpu_ns() - cpu_before);
}

void LiveSession::look_slowly(std::uint64_t now_ns) {
  check_alive();
  if (gone_) return;
  const std::uint64_t cpu_before = thread_cpu_ns();
  note(heap_profile_->look(now_ns));
  look_at_memory(now_ns);
  if (resources_) resources_->look(now_ns);
  if (probes_) probes_->report(now_ns);
  slow_schedule_.done(now_ns, monotonic_ns(), thread_cpu_ns() - cpu_before);
}

void LiveSession::look_at_memory(std::uint64_t now_ns) {
  if (const auto figures = process::read_memory_figures(target_, now_ns)) {
    hub_.accept(*figures);
    return;
  }
  check_alive();
  if (gone_ || std::exchange(memory_failed_, true)) return;
  hub_.accept(SourceState{now_ns, "memory", SourceStatus::failed, "/proc/PID/status or smaps can't be read", ""});
}

// The pidfd becomes readable when the process has ended; the start time guards against another one of the same pid.
void LiveSession::check_alive() {
  pollfd ended{target_.pidfd(), POLLIN, 0};
  const bool exited = target_.pidfd() >= 0 && ::poll(&ended, 1, 0) > 0;
  gone_ = gone_ || exited || !target_.alive();
}

void LiveSession::suspend() {
  const std::uint64_t begin = monotonic_ns();
  if (probes_) {
    probes_->drain(begin);
    probes_->detach(begin);
  }
  if (callbacks_.suspend) callbacks_.suspend();
  const std::uint64_t end = monotonic_ns();
  hub_.accept(Gap{begin, end, "suspended (SIGTSTP)"});
  check_alive();
  if (probes_ && !gone_) probes_->attach(end);
}

// False: end the session.
bool LiveSession::handle(Request request) {
  switch (request) {
    case Request::none:
      return true;
    case Request::stop:
    case Request::stop_now:
      reason_ = EndReason::signal;
      return false;
    case Request::report:
      if (callbacks_.on_report_request) callbacks_.on_report_request(detect::analyze(hub_.model()));
      return true;
    case Request::suspend:
      suspend();
      return true;
  }
  return true;
}

bool LiveSession::trace_failed() {
  const auto error = hub_.take_trace_error();
  if (!error) return false;
  return callbacks_.trace_failed && callbacks_.trace_failed(*error) != Request::none;
}

void LiveSession::show_interval(std::uint64_t now_ns) {
  if (!callbacks_.on_interval || !screen_schedule_.due(now_ns)) return;
  const std::uint64_t cpu_before = thread_cpu_ns();
  callbacks_.on_interval(detect::analyze(hub_.model()));
  screen_schedule_.done(now_ns, monotonic_ns(), thread_cpu_ns() - cpu_before);
}

Request LiveSession::wait_for_next(std::uint64_t now_ns) {
  std::uint64_t until = next_tick_ns_;
  if (probes_) until = std::min(until, probes_->due_ns());
  if (deadline_ns_ > 0) until = std::min(until, deadline_ns_);
  const std::uint64_t wait_ns = until > now_ns ? until - now_ns : 0;
  if (callbacks_.wait) return callbacks_.wait(wait_ns);
  std::this_thread::sleep_for(std::chrono::nanoseconds(wait_ns));
  return Request::none;
}

// Who outside a stuck cohort holds what its members wait on: it can only clear a suspicion.
void LiveSession::settle_suspicions() {
  std::size_t cohorts = 0;
  for (const auto& cohort : detect::cohorts_to_check(hub_.model())) {
    if (++cohorts > kMostCohorts) return;
    std::vector<goruntime::Waiter> waiters;
    for (const auto& waiter : cohort.waiters) waiters.push_back({waiter.goid, waiter.address});
    goruntime::find_holders(program_, hub_, waiters, cohort.cohort_goids, kHolderBudget, monotonic_ns());
  }
}

void LiveSession::finish() {
  const std::uint64_t now = monotonic_ns();
  if (probes_) {
    probes_->drain(now);
    probes_->report(now);
    probes_->detach(now);
  }
  if (profile_switch_) profile_switch_->restore(monotonic_ns());
  SessionEnd end;
  end.time_ns = std::max(monotonic_ns(), hub_.model().latest_ns());
  end.reason = gone_ ? EndReason::target_exited : reason_;
  end.own_cpu_ns = own_cpu_ns();
  end.own_peak_rss_bytes = own_peak_rss_bytes();
  hub_.accept(end);
}

Result<detect::Analysis> LiveSession::run() {
  const auto begin = session_start(options_);
  hub_.accept(begin);  // first: it holds every option that changes the report
  hub_.accept(program_.target_info());
  if (options_.duration_ns > 0) deadline_ns_ = begin.time_ns + options_.duration_ns;
  if (const auto assisted = assist(); !assisted) return assisted.error();
  start_readers();
  if (const auto why = why_blind(); !why.empty())
    return failure(fmt::format("pid {} ({}): nothing can be read: {}", options_.pid, target_.exe(), why));
  hub_.release_warnings();
  look_around(monotonic_ns());  // before the probes: what they take from the target must not show in it
  start_probes();
  bool trace_stopped = false;
  while (!gone_) {
    const std::uint64_t now = monotonic_ns();
    if (deadline_ns_ > 0 && now >= deadline_ns_) break;
    if (!handle(wait_for_next(now))) break;
    check_alive();
    if (gone_) break;
    look_around(monotonic_ns());
    show_interval(monotonic_ns());
    trace_stopped = trace_failed();
    if (trace_stopped) break;
  }
  check_alive();
  if (!gone_ && !trace_stopped) {
    look_at_goroutines(monotonic_ns());
    if (!gone_) look_slowly(monotonic_ns());
    if (!gone_) settle_suspicions();
  }
  finish();
  return detect::analyze(hub_.model());
}

}  // namespace

Result<detect::Analysis> run_live(const LiveOptions& options, const LiveCallbacks& callbacks) {
  auto target = process::Target::open(options.pid);
  if (!target) return target.error();
  auto program = goruntime::Program::open(*target);
  if (!program) return program.error();
  std::unique_ptr<trace::Writer> writer;
  if (!options.record_path.empty()) {
    auto created = trace::Writer::create(options.record_path, options.replace);
    if (!created) return created.error();
    writer = std::move(*created);
  }
  Hub hub(std::move(writer), callbacks.warn);
  auto analysis = LiveSession(options, callbacks, *target, **program, hub).run();
  if (const auto finished = hub.finish(); !finished && callbacks.trace_failed) callbacks.trace_failed(finished.error());
  return analysis;
}

}  // namespace gotrace::session
