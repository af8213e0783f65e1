#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <system_error>
#include <thread>
#include <vector>

#include "probe/activity.h"
#include "probe/attach.h"
#include "probe/calibration.h"
#include "probe/clock.h"
#include "probe/cpu_base.h"
#include "probe/drain_pace.h"
#include "probe/event_stream.h"
#include "probe/governor.h"
#include "probe/group_costs.h"
#include "probe/kernel_side.h"
#include "probe/probe_session.h"
#include "probe/targets.h"
#include "process/cgroup.h"
#include "process/cpu_use.h"

namespace gotrace::probe {
namespace {

constexpr std::uint64_t kMostEventsPerDrain = 1 << 18;
// How long rates are watched, free of charge, before anything is attached.
constexpr auto kFirstLook = std::chrono::milliseconds(60);
constexpr std::uint64_t kForeseeEvery = 30'000'000;  // ns; less apart, rates tell nothing (ActivityRates)
// Until it is measured: what a program takes on top of its trap, as a multiple of the trap.
constexpr double kProgramPerTrap = 1.0;

// A probe of this target, attached or not.
struct Probe {
  ProbePlan plan;
  Attachment attachment;
  std::string failure;  // why it can never be attached
  std::uint64_t attached_at_ns = 0;
  std::uint64_t attached_ns = 0;  // so far, this time not included

  [[nodiscard]] bool usable() const { return failure.empty(); }
};

// Side by side: most of it is waiting, and until it is its turn a probe goes on to be hit.
void take_out(std::span<Probe* const> probes) {
  std::vector<std::jthread> beside;
  for (std::size_t i = 1; i < probes.size(); ++i) {
    try {
      beside.emplace_back([probe = probes[i]] { probe->attachment.detach(); });
    } catch (const std::system_error&) {  // the machine is out of threads, perhaps by the leak that is looked for
      probes[i]->attachment.detach();
    }
  }
  if (!probes.empty()) probes.front()->attachment.detach();
}

class Session final : public ProbeSession {
 public:
  Session(const goruntime::Program& program, goruntime::Symbolizer& symbolizer, goruntime::ObjectLookup& objects,
          RecordSink& sink, const ProbeOptions& options, HeapCounterSource heap_counters)
      : program_(program),
        sink_(sink),
        options_(options),
        heap_counters_(std::move(heap_counters)),
        path_(fmt::format("/proc/self/fd/{}", program.target().exe_fd())),
        size_classes_(program.target_info().size_classes),
        stream_(program, symbolizer, objects, sink, size_classes_),
        governor_({.max_share = options.max_overhead}),
        cpu_base_(process::cgroup_cpu_quota("", fmt::format("/proc/{}", program.target().pid()))) {}
  ~Session() override {
    for (auto& probe : probes_) probe.attachment.detach();
  }

  void start();
  std::uint64_t drain(std::uint64_t now_ns) override;
  [[nodiscard]] std::uint64_t due_ns() const override;
  void check_fates(const HeapCounters& counters) override;
  void report(std::uint64_t now_ns) override;
  void detach(std::uint64_t now_ns) override;
  void attach(std::uint64_t now_ns) override;

 private:
  void load();
  Status load_as(AttachKind kind, const gotrace_settings& settings);
  Status calibrate();
  void refuse_slow_families();
  void forget_what_nobody_misses();
  [[nodiscard]] GovernorConfig governor_config() const;
  void fail_all(const std::string& reason);
  void send_source(std::uint64_t now_ns);
  void want_all();
  void look_at_heap();
  [[nodiscard]] bool large_are_few() const;
  void foresee(std::uint64_t now_ns);
  void govern(std::uint64_t now_ns);
  void attach_group(Group group);
  void detach_group(Group group);
  std::uint64_t take_events(std::uint64_t now_ns);
  void count_costs();
  [[nodiscard]] gotrace_counters counters(const Probe& probe) const;
  [[nodiscard]] double trap_ns(const Probe& probe) const;
  [[nodiscard]] bool any_usable(Group group) const;
  [[nodiscard]] ProbeState state_of(const Probe& probe, std::uint64_t now_ns) const;
  void judge_state(ProbeState& state, const Probe& probe) const;
  void send_losses(std::uint64_t now_ns);
  void send_overhead(std::uint64_t now_ns);
  [[nodiscard]] std::uint64_t wanted_ns(std::uint64_t now_ns) const {
    return wanted_ns_ + (watching_ && now_ns > watching_since_ns_ ? now_ns - watching_since_ns_ : 0);
  }

  const goruntime::Program& program_;
  RecordSink& sink_;
  ProbeOptions options_;
  HeapCounterSource heap_counters_;
  std::string path_;
  std::vector<std::uint32_t> size_classes_;  // as in TargetInfo
  EventStream stream_;
  Governor governor_;
  GroupCosts costs_;
  CpuBase cpu_base_;
  ActivityRates rates_;
  DrainPace pace_;
  std::optional<HeapCounters> last_heap_;
  std::unique_ptr<KernelSide> kernel_;
  std::vector<Probe> probes_;                          // destroyed before the programs they run
  std::array<std::optional<TrapCost>, 3> trap_costs_;  // by SiteKind
  std::uint64_t refill_lost_ = 0;
  std::uint64_t drained_ns_ = 0;
  std::uint64_t foreseen_ns_ = 0;
  bool watching_ = false;  // between attach and detach as asked for
  std::uint64_t watching_since_ns_ = 0;
  std::uint64_t wanted_ns_ = 0;
};

// ---------------------------------------------------------------- start
void Session::start() {
  if (options_.max_overhead > 0) look_at_heap();
  options_.follow_large = options_.follow_large && large_are_few();
  for (auto& plan : plan_probes(program_, options_)) {
    Probe probe;
    probe.failure = plan.reason;
    probe.plan = std::move(plan);
    probes_.push_back(std::move(probe));
  }
  forget_what_nobody_misses();
  const bool any = std::ranges::any_of(probes_, [](const Probe& probe) { return probe.usable(); });
  if (any && options_.max_overhead > 0) {
    look_at_heap();  // as of now: planning took longer than a first rate may be off by
    foresee(clock_ns());
    load();
    forget_what_nobody_misses();
    governor_ = Governor(governor_config());
  }
  attach(clock_ns());
  if (kernel_) {
    std::this_thread::sleep_for(kFirstLook);
    look_at_heap();
    foresee(clock_ns());
    govern(clock_ns());
  }
  drained_ns_ = clock_ns();
  send_source(clock_ns());
  report(clock_ns());
}

// The place behind allocLarge is single-stepped, some ten times dearer than its entry. By their mean rate so far; what
// is not known is taken for few, since the governor sees what it costs.
bool Session::large_are_few() const {
  constexpr double kFew = 400;  // a second
  const std::uint64_t now_ns = clock_ns();
  const std::uint64_t started_ns = program_.target().started_ns();
  if (!last_heap_ || !last_heap_->by_class || started_ns == 0 || now_ns <= started_ns) return true;
  const double seconds = static_cast<double>(now_ns - started_ns) / 1e9;
  return static_cast<double>(last_heap_->allocated[0]) <= kFew * seconds;
}

Status Session::load_as(AttachKind kind, const gotrace_settings& settings) {
  auto loaded = KernelSide::load(settings, kind, options_.buffer_bytes);
  if (!loaded) return loaded.error();
  kernel_ = std::move(loaded).value();
  return calibrate();
}

void Session::load() {
  std::vector<ProbePlan> plans;
  for (const auto& probe : probes_) plans.push_back(probe.plan);
  const auto settings = settings_for(program_, plans);
  if (!settings) return fail_all(settings.error().text);
  if (load_as(AttachKind::multi, *settings)) return;
  if (const auto perf = load_as(AttachKind::perf, *settings); !perf) {
    kernel_.reset();
    return fail_all(perf.error().text);
  }
  refuse_slow_families();
}

// Without uprobe_multi each site takes some 70 ms to take out, during which hits go on.
void Session::refuse_slow_families() {
  for (auto& probe : probes_) {
    if (!probe.usable() || probe.plan.probe != GOTRACE_MALLOC) continue;
    probe.failure = fmt::format(
        "this kernel has no usable uprobe_multi (Linux 6.6): its {} sites could not be taken out "
        "fast enough; spans of allocations (refill) are counted instead",
        probe.plan.file_offsets.size());
  }
}

// That every allocation can't be counted here is said only to who asked for it.
void Session::forget_what_nobody_misses() {
  if (options_.every_allocation_in_windows) return;
  const auto has_others = std::ranges::any_of(
      probes_, [](const Probe& probe) { return probe.plan.group != Group::mallocs && probe.usable(); });
  if (!has_others) return;
  std::erase_if(probes_, [](const Probe& probe) { return probe.plan.group == Group::mallocs && !probe.usable(); });
}

GovernorConfig Session::governor_config() const {
  GovernorConfig config{.max_share = options_.max_overhead};
  const bool multi = kernel_ && kernel_->kind() == AttachKind::multi;
  for (std::size_t i = 0; i < kGroups; ++i) {
    std::uint64_t sites = 0;
    std::uint64_t in_a_row = 0;
    double dearest = 0;
    TrapCost slowest;
    for (const auto& probe : probes_) {
      if (static_cast<std::size_t>(probe.plan.group) != i || !probe.usable()) continue;
      const std::uint64_t own_sites = multi ? 1 : probe.plan.file_offsets.size();
      sites += own_sites;
      in_a_row = std::max(in_a_row, own_sites);
      dearest = std::max(dearest, trap_ns(probe));
      const auto& cost = trap_costs_[static_cast<std::size_t>(probe.plan.kind)];
      if (!cost) continue;
      slowest.detach_ns = std::max(slowest.detach_ns, cost->detach_ns);
      slowest.attach_took_ns = std::max(slowest.attach_took_ns, cost->attach_took_ns);
      slowest.detach_took_ns = std::max(slowest.detach_took_ns, cost->detach_took_ns);
    }
    if (sites == 0) continue;
    // Probes are taken out side by side, the sites of one after each other.
    config.detach_ns[i] = (in_a_row - 1) * slowest.detach_took_ns + slowest.detach_ns;
    config.switch_ns[i] = sites * slowest.attach_took_ns + in_a_row * slowest.detach_took_ns;
    config.hit_ns[i] = dearest * (1 + kProgramPerTrap);
  }
  return config;
}

Status Session::calibrate() {
  for (const auto& probe : probes_) {
    auto& cost = trap_costs_[static_cast<std::size_t>(probe.plan.kind)];
    if (!probe.usable() || cost) continue;
    const auto measured = calibrate_trap(*kernel_, probe.plan.kind);
    if (!measured) return measured.error();
    cost = *measured;
  }
  return success();
}

double Session::trap_ns(const Probe& probe) const {
  const auto& cost = trap_costs_[static_cast<std::size_t>(probe.plan.kind)];
  return cost ? cost->at(cpu_base_.used()) : 0;
}

void Session::fail_all(const std::string& reason) {
  for (auto& probe : probes_) {
    if (probe.usable()) probe.failure = reason;
  }
}

void Session::send_source(std::uint64_t now_ns) {
  SourceState state{now_ns, "probes", SourceStatus::on, "", ""};
  const auto usable = std::ranges::find_if(probes_, [](const Probe& probe) { return probe.usable(); });
  if (probes_.empty()) {
    state.status = SourceStatus::off;
    state.reason = "not asked for";
  } else if (usable == probes_.end()) {
    state.status = SourceStatus::failed;
    state.reason = probes_.front().failure;
  } else if (options_.max_overhead <= 0) {
    state.status = SourceStatus::off;
    state.reason = "the overhead allowed is 0";
    state.fix = "allow some: --max-overhead 1%";
  }
  sink_.accept(state);
}

void Session::want_all() {
  for (const auto& probe : probes_) {
    const bool whole = probe.plan.group == Group::mallocs && !options_.every_allocation_in_windows;
    if (probe.usable()) governor_.want(probe.plan.group, whole);
  }
}

// ---------------------------------------------------------------- attach and detach
gotrace_counters Session::counters(const Probe& probe) const {
  return kernel_ ? kernel_->counters(probe.plan.probe).value_or(gotrace_counters{}) : gotrace_counters{};
}

bool Session::any_usable(Group group) const {
  return std::ranges::any_of(probes_,
                             [group](const Probe& probe) { return probe.plan.group == group && probe.usable(); });
}

void Session::attach_group(Group group) {
  const std::uint64_t begin_ns = clock_ns();
  for (auto& probe : probes_) {
    if (probe.plan.group != group || !probe.usable() || probe.attachment.attached()) continue;
    auto attached = attach_program(kernel_->kind(), kernel_->program_fd(probe.plan.probe),
                                   {path_, probe.plan.file_offsets, program_.target().pid()});
    if (!attached) {
      probe.failure = fmt::format("{}: {}", probe.plan.symbol, attached.error().text);
      continue;
    }
    probe.attachment = std::move(attached).value();
  }
  const std::uint64_t attached_at_ns = clock_ns();
  for (auto& probe : probes_) {
    if (probe.plan.group == group && probe.attachment.attached()) probe.attached_at_ns = attached_at_ns;
  }
  if (group == Group::lifecycle) stream_.open_lifecycle(attached_at_ns);
  if (any_usable(group)) {
    governor_.attached(group, attached_at_ns - begin_ns, attached_at_ns);
  } else {
    governor_.give_up(group);
  }
}

void Session::detach_group(Group group) {
  const std::uint64_t begin_ns = clock_ns();
  if (group == Group::lifecycle) stream_.close_lifecycle(begin_ns);
  if (group == Group::allocations && kernel_) stream_.look_at_pending(begin_ns);
  std::vector<Probe*> attached;
  for (auto& probe : probes_) {
    if (probe.plan.group == group && probe.attachment.attached()) attached.push_back(&probe);
  }
  take_out(attached);
  for (Probe* probe : attached) probe->attached_ns += begin_ns - probe->attached_at_ns;
  const std::uint64_t end_ns = clock_ns();
  if (!kernel_) return;
  count_costs();
  governor_.detached(group, costs_.take(group), end_ns - begin_ns, end_ns);
  if (group != Group::allocations) return;
  take_events(end_ns);  // settles what can be, before nothing more comes
  stream_.interrupt();
}

void Session::count_costs() {
  for (const auto& probe : probes_) {
    costs_.add(probe.plan.probe, probe.plan.group, kernel_->counters_by_cpu(probe.plan.probe), trap_ns(probe));
  }
}

void Session::look_at_heap() {
  if (heap_counters_) last_heap_ = heap_counters_();
}

// What the probes would cost now, by what can be read free of charge.
void Session::foresee(std::uint64_t now_ns) {
  if (now_ns < foreseen_ns_ + kForeseeEvery) return;  // drains may come every 2 ms
  foreseen_ns_ = now_ns;
  cpu_base_.observe(now_ns, process::cpu_time_ns(program_.target().pid()));
  Activity activity;
  activity.time_ns = now_ns;
  read_scheduler(program_, activity);
  if (last_heap_) count_allocations(*last_heap_, size_classes_, activity);
  rates_.observe(activity);
  governor_.set_base(cpu_base_.cpus());
  governor_.set_used(cpu_base_.used());
  for (std::size_t i = 0; i < kGroups; ++i) {
    const auto group = static_cast<Group>(i);
    governor_.forecast(group, rates_.per_second(group));
  }
}

void Session::govern(std::uint64_t now_ns) {
  if (!kernel_ || !watching_) return;
  count_costs();
  std::array<GroupCost, kGroups> costs;
  for (std::size_t i = 0; i < kGroups; ++i) costs[i] = costs_.take(static_cast<Group>(i));
  for (const auto& action : governor_.judge(costs, now_ns)) {
    if (action.attach) {
      attach_group(action.group);
    } else {
      detach_group(action.group);
    }
  }
}

void Session::attach(std::uint64_t now_ns) {
  if (watching_) return;
  watching_ = true;
  watching_since_ns_ = now_ns;
  governor_.begin(now_ns);
  want_all();
}

void Session::detach(std::uint64_t now_ns) {
  if (!watching_) return;
  wanted_ns_ = wanted_ns(now_ns);
  watching_ = false;
  for (std::size_t i = 0; i < kGroups; ++i) {
    governor_.give_up(static_cast<Group>(i));
    detach_group(static_cast<Group>(i));
  }
  if (kernel_) take_events(now_ns);
  stream_.interrupt();
}

// ---------------------------------------------------------------- drain and report
std::uint64_t Session::take_events(std::uint64_t now_ns) {
  const auto consumed = kernel_->consume([this](Bytes record) { stream_.take(record); }, kMostEventsPerDrain);
  for (const std::uint64_t hash : stream_.take_missing()) kernel_->forget_stack(hash);
  const auto refill = kernel_->counters(GOTRACE_REFILL);
  const bool gap = !refill || refill->lost != refill_lost_;
  if (refill) refill_lost_ = refill->lost;
  stream_.finish_drain(now_ns, gap);
  pace_.drained(consumed.bytes, kernel_->buffer_bytes());
  return consumed.records;
}

std::uint64_t Session::drain(std::uint64_t now_ns) {
  if (!kernel_) return 0;
  const auto taken = take_events(now_ns);
  foresee(now_ns);
  govern(now_ns);
  drained_ns_ = now_ns;
  return taken;
}

std::uint64_t Session::due_ns() const {
  if (!kernel_) return UINT64_MAX;
  return std::min(drained_ns_ + pace_.interval_ns(), governor_.due_ns().value_or(UINT64_MAX));
}

void Session::check_fates(const HeapCounters& counters) {
  last_heap_ = counters;
  stream_.check_fates(counters);
}

void Session::judge_state(ProbeState& state, const Probe& probe) const {
  const auto view = governor_.view(probe.plan.group);
  if (!probe.usable()) {
    state.status = ProbeStatus::failed;
    state.reason = probe.failure;
  } else if (!view.ever_refused && view.windows > 0) {
    state.status = ProbeStatus::on;
  } else {
    state.status = view.windows > 0 ? ProbeStatus::windowed : ProbeStatus::withheld;
    state.reason = governor_.refusal(probe.plan.group);
    state.would_cost_percent = 100 * view.share;
  }
}

ProbeState Session::state_of(const Probe& probe, std::uint64_t now_ns) const {
  ProbeState state;
  state.time_ns = now_ns;
  state.name = probe.plan.name;
  state.symbol = probe.plan.symbol;
  const auto count = counters(probe);
  state.hits = count.hits;
  state.lost = count.lost;
  state.window_ns = wanted_ns(now_ns);
  state.attached_ns = probe.attached_ns;
  if (probe.attachment.attached() && now_ns > probe.attached_at_ns) state.attached_ns += now_ns - probe.attached_at_ns;
  judge_state(state, probe);
  return state;
}

void Session::send_losses(std::uint64_t now_ns) {
  gotrace_counters sum{};
  for (const auto& probe : probes_) {
    const auto count = counters(probe);
    sum.lost += count.lost;
    sum.failed_reads += count.failed_reads;
    sum.truncated += count.truncated;
  }
  const std::array losses{Loss{now_ns, "events", sum.lost + stream_.malformed()},
                          Loss{now_ns, "event_reads", sum.failed_reads},
                          Loss{now_ns, "event_stacks_truncated", sum.truncated},
                          Loss{now_ns, "event_stacks_unknown", stream_.unknown_stacks()}};
  for (const auto& loss : losses) {
    if (loss.count > 0) sink_.accept(loss);
  }
}

void Session::send_overhead(std::uint64_t now_ns) {
  Overhead overhead;
  overhead.time_ns = now_ns;
  for (const auto& cost : trap_costs_) {
    if (!cost) continue;
    const auto now = static_cast<std::uint64_t>(cost->at(cpu_base_.used()));
    overhead.trap_ns = std::max(overhead.trap_ns.value_or(0), now);
  }
  for (const auto& probe : probes_) {
    const auto count = counters(probe);
    overhead.hits += count.traps;
    overhead.bpf_run_ns += count.run_ns;
  }
  if (kernel_) {
    overhead.cost_ns = governor_.spent_ns();
    overhead.base_ns = governor_.base_ns();
  }
  sink_.accept(overhead);
}

void Session::report(std::uint64_t now_ns) {
  for (const auto& probe : probes_) sink_.accept(state_of(probe, now_ns));
  send_overhead(now_ns);
  send_losses(now_ns);
}

}  // namespace

std::unique_ptr<ProbeSession> ProbeSession::start(const goruntime::Program& program, goruntime::Symbolizer& symbolizer,
                                                  goruntime::ObjectLookup& objects, RecordSink& sink,
                                                  const ProbeOptions& options, HeapCounterSource heap_counters) {
  auto session = std::make_unique<Session>(program, symbolizer, objects, sink, options, std::move(heap_counters));
  session->start();
  return session;
}

}  // namespace gotrace::probe
