// A live session, in one visible order: open, wire, look and drain until the end, last looks, detach, conclude.
#include <poll.h>
#include <sys/resource.h>
#include <time.h>

#include <csignal>

#include <algorithm>
#include <span>

#include <fmt/format.h>

#include "detect/analyze.h"
#include "detect/goroutines.h"
#include "goruntime/program.h"
#include "goruntime/readers.h"
#include "model/model.h"
#include "probe/probe_session.h"
#include "process/memory_figures.h"
#include "process/target.h"
#include "session/session.h"
#include "session/sinks.h"
#include "trace/trace.h"

namespace gotrace::session {
namespace {

constexpr std::uint64_t kTick = 50'000'000;           // the ring buffer is drained and the counters are read so often
constexpr std::uint64_t kHolderBudget = 512U << 20;   // bytes of heap to search for holders of stuck channels
constexpr double kLookShare = 0.05;                   // of the time, at most, for looks at the goroutines

std::uint64_t clock_ns(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(now.tv_nsec);
}
std::uint64_t now_ns() { return clock_ns(CLOCK_MONOTONIC); }

probe::ProbeOptions probe_options(const LiveOptions& options) {
  probe::ProbeOptions wanted;
  wanted.max_overhead = options.max_overhead;
  wanted.buffer_bytes = options.buffer_bytes;
  if (options.probes == "auto") return wanted;
  const auto has = [&](std::string_view name) {
    return ("," + options.probes + ",").find("," + std::string(name) + ",") != std::string::npos;
  };
  wanted.births = has("births");
  wanted.parks = has("parks");
  wanted.ends = has("ends");
  wanted.allocations = has("allocs");
  wanted.every_allocation = has("allocs");
  if (options.probes == "none") wanted.max_overhead = 0;
  return wanted;
}

class Live {
 public:
  Live(const LiveOptions& options, const LiveCallbacks& callbacks, const process::Target& target,
       const goruntime::Program& program, std::unique_ptr<trace::Writer> writer)
      : options_(options),
        callbacks_(callbacks),
        target_(target),
        program_(program),
        writer_(std::move(writer)),
        sink_({&model_, writer_.get()}),
        symbolizer_(program, sink_) {}

  detect::Analysis run() {
    begin();
    while (!ended_) step();
    if (reason_ != EndReason::target_exited) last_looks();
    finish();
    return detect::analyze(model_);
  }

 private:
  void begin() {
    start_ns_ = now_ns();
    SessionStart start;
    start.tool_version = GOTRACE_VERSION;
    start.time_ns = start_ns_;
    start.wall_ns = static_cast<std::int64_t>(clock_ns(CLOCK_REALTIME));
    start.interval_ns = options_.interval_ns;
    start.stuck_after_ns = options_.stuck_after_ns;
    start.planned_duration_ns = options_.duration_ns;
    start.max_overhead = options_.max_overhead_text;
    start.probes = options_.probes;
    sink_.accept(start);
    sink_.accept(program_.target_info());
    goroutines_ = goruntime::make_goroutine_reader(program_, symbolizer_, sink_);
    profile_ = goruntime::make_heap_profile_reader(program_, symbolizer_, sink_);
    counters_ = goruntime::make_heap_counter_reader(program_, sink_);
    objects_ = goruntime::make_object_lookup(program_, sink_);
    look_at_all(now_ns());
    probes_ = probe::ProbeSession::start(program_, symbolizer_, *objects_, sink_, probe_options(options_));
    warn_about_probes();
  }

  void warn_about_probes() {
    for (const auto& [symbol, state] : model_.probes()) {
      if (state.status != ProbeStatus::failed) continue;
      callbacks_.warn(fmt::format("probe {} ({}) off: {}; goroutines and heap figures are still read", state.name,
                                  symbol, state.reason));
      return;  // the report names them all
    }
  }

  void step() {
    const Request request = callbacks_.wait ? callbacks_.wait(kTick) : Request::none;
    const std::uint64_t now = now_ns();
    if (request == Request::stop || request == Request::stop_now) return end(EndReason::signal);
    if (!alive()) return end(EndReason::target_exited);
    if (request == Request::suspend) return suspend();
    probes_->drain(now);
    look_at_heap(now);
    if (now >= next_look_ns_) look_at_all(now);
    if (request == Request::report && callbacks_.on_report_request) {
      probes_->report(now);
      callbacks_.on_report_request(detect::analyze(model_));
    }
    if (options_.duration_ns != 0 && now - start_ns_ >= options_.duration_ns) end(EndReason::duration);
  }

  // The process may end at any moment; its pidfd is readable then.
  [[nodiscard]] bool alive() const {
    pollfd wait{target_.pidfd(), POLLIN, 0};
    return ::poll(&wait, 1, 0) == 0 && target_.alive();
  }

  void end(EndReason reason) {
    ended_ = true;
    reason_ = reason;
  }

  // Counters are a few kilobytes: cheap enough to see each GC.
  void look_at_heap(std::uint64_t now) {
    counters_->look(now);
    const auto& last = model_.heap().last();
    if (!last || !last->swept || last->gc_running || last->gc_cycles == fates_cycle_) return;
    fates_cycle_ = last->gc_cycles;
    probes_->check_fates(*last);
  }

  // Twice an interval, so that ten seconds give enough steps to judge; less often when looking is expensive.
  void look_at_all(std::uint64_t now) {
    goroutines_->look(now);
    if (look_count_++ % 2 == 0) {
      profile_->look(now);
      if (auto figures = process::read_memory_figures(target_, now)) sink_.accept(*figures);
      counters_->look(now);
      if (probes_) probes_->report(now);
      if (callbacks_.on_interval && probes_) callbacks_.on_interval(detect::analyze(model_));
      if (writer_ && !writer_->status().ok() && !told_write_error_) {
        told_write_error_ = true;
        callbacks_.warn(writer_->status().error().text);
      }
    }
    const std::uint64_t took = now_ns() - now;
    const auto rest = static_cast<std::uint64_t>(static_cast<double>(took) / kLookShare);
    next_look_ns_ = now + std::max(options_.interval_ns / 2, rest);
  }

  // SIGTSTP: nothing of ours stays in the target while we are stopped.
  void suspend() {
    const std::uint64_t begin_ns = now_ns();
    probes_->drain(begin_ns);
    probes_->detach(begin_ns);
    ::raise(SIGSTOP);
    const std::uint64_t end_ns = now_ns();
    sink_.accept(Gap{begin_ns, end_ns, "stopped by the terminal (SIGTSTP)"});
    probes_->attach(end_ns);
  }

  void last_looks() {
    const std::uint64_t now = now_ns();
    probes_->drain(now);
    look_at_heap(now);
    goroutines_->look(now);
    profile_->look(now);
    if (auto figures = process::read_memory_figures(target_, now)) sink_.accept(*figures);
    for (const detect::CohortToCheck& cohort : detect::cohorts_to_check(model_)) {
      std::vector<goruntime::Waiter> waiters;
      for (const auto& waiter : cohort.waiters) waiters.push_back({waiter.goid, waiter.address});
      goruntime::find_holders(program_, sink_, waiters, cohort.cohort_goids, kHolderBudget, now);
    }
  }

  void finish() {
    const std::uint64_t now = now_ns();
    probes_->drain(now);
    probes_->report(now);
    probes_->detach(now);
    SessionEnd last;
    last.time_ns = now;
    last.reason = reason_;
    last.own_cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    last.own_peak_rss_bytes = static_cast<std::uint64_t>(usage.ru_maxrss) * 1024U;
    sink_.accept(last);
    if (!writer_) return;
    const Status finished = writer_->finish();
    if (!finished.ok() && !told_write_error_) callbacks_.warn(finished.error().text);
  }

  const LiveOptions& options_;
  const LiveCallbacks& callbacks_;
  const process::Target& target_;
  const goruntime::Program& program_;
  model::Model model_;
  std::unique_ptr<trace::Writer> writer_;
  FanOut sink_;
  goruntime::Symbolizer symbolizer_;
  std::unique_ptr<goruntime::Reader> goroutines_, profile_, counters_;
  std::unique_ptr<goruntime::ObjectLookup> objects_;
  std::unique_ptr<probe::ProbeSession> probes_;  // after what it uses: detaches first
  std::uint64_t start_ns_ = 0;
  std::uint64_t next_look_ns_ = 0;
  std::uint64_t look_count_ = 0;
  std::uint32_t fates_cycle_ = 0;
  bool told_write_error_ = false;
  bool ended_ = false;
  EndReason reason_ = EndReason::duration;
};

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
    writer = std::move(created).value();
  }
  Live live(options, callbacks, *target, **program, std::move(writer));
  return live.run();
}

}  // namespace gotrace::session
