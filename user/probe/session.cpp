#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <thread>

#include "probe/attach.h"
#include "probe/calibration.h"
#include "probe/clock.h"
#include "probe/event_stream.h"
#include "probe/guard.h"
#include "probe/kernel_side.h"
#include "probe/probe_session.h"
#include "probe/targets.h"

namespace gotrace::probe {
namespace {

constexpr std::uint64_t kMostEventsPerDrain = 1 << 18;
// How long each group is tried at the start before the next: long enough to see a rate, short enough not to be felt.
constexpr auto kTrial = std::chrono::milliseconds(20);

// A probe of this target, attached or not.
struct Probe {
  ProbePlan plan;
  Attachment attachment;
  std::string failure;  // why it can never be attached
  std::uint64_t attached_at_ns = 0;
  std::uint64_t attached_ns = 0;  // so far, this time not included
  gotrace_counters judged{};      // as of the guard's last look

  [[nodiscard]] bool usable() const { return failure.empty(); }
};

class Session final : public ProbeSession {
 public:
  Session(const goruntime::Program& program, goruntime::Symbolizer& symbolizer, goruntime::ObjectLookup& objects,
          RecordSink& sink, const ProbeOptions& options)
      : program_(program),
        sink_(sink),
        options_(options),
        path_(fmt::format("/proc/self/fd/{}", program.target().exe_fd())),
        stream_(program, symbolizer, objects, sink, program.target_info().size_classes),
        guard_({options.max_overhead, options.max_hits_per_second}) {}
  ~Session() override {
    for (auto& probe : probes_) probe.attachment.detach();
  }

  void start();
  std::uint64_t drain(std::uint64_t now_ns) override;
  void check_fates(const HeapCounters& counters) override { stream_.check_fates(counters); }
  void report(std::uint64_t now_ns) override;
  void detach(std::uint64_t now_ns) override;
  void attach(std::uint64_t now_ns) override;

 private:
  void load();
  Status load_as(AttachKind kind, const gotrace_settings& settings);
  Status calibrate();
  void fail_all(const std::string& reason);
  void send_source(std::uint64_t now_ns);
  void want_all(std::uint64_t now_ns);
  bool govern(std::uint64_t now_ns);
  void attach_group(Group group);
  void detach_group(Group group);
  GroupCost cost_since(Group group);
  [[nodiscard]] gotrace_counters counters(const Probe& probe) const;
  [[nodiscard]] bool any_usable(Group group) const;
  [[nodiscard]] ProbeState state_of(const Probe& probe, std::uint64_t now_ns) const;
  void send_losses(std::uint64_t now_ns);
  void send_overhead(std::uint64_t now_ns);
  [[nodiscard]] std::uint64_t wanted_ns(std::uint64_t now_ns) const {
    return wanted_ns_ + (watching_ && now_ns > watching_since_ns_ ? now_ns - watching_since_ns_ : 0);
  }

  const goruntime::Program& program_;
  RecordSink& sink_;
  ProbeOptions options_;
  std::string path_;
  EventStream stream_;
  Guard guard_;
  std::unique_ptr<KernelSide> kernel_;
  std::vector<Probe> probes_;                            // destroyed before the programs they run
  std::array<std::optional<std::uint64_t>, 3> trap_ns_;  // by SiteKind
  std::uint64_t refill_lost_ = 0;
  bool watching_ = false;  // between attach and detach as asked for
  std::uint64_t watching_since_ns_ = 0;
  std::uint64_t wanted_ns_ = 0;
};

// ---------------------------------------------------------------- start
void Session::start() {
  for (auto& plan : plan_probes(program_, options_)) {
    Probe probe;
    probe.failure = plan.reason;
    probe.plan = std::move(plan);
    probes_.push_back(std::move(probe));
  }
  const bool any = std::ranges::any_of(probes_, [](const Probe& probe) { return probe.usable(); });
  if (any && options_.max_overhead > 0) load();
  const std::uint64_t now_ns = clock_ns();
  attach(now_ns);
  for (std::size_t i = 0; i <= kGroups && govern(clock_ns()); ++i) std::this_thread::sleep_for(kTrial);
  send_source(clock_ns());
  report(clock_ns());
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
    fail_all(perf.error().text);
  }
}

Status Session::calibrate() {
  for (const auto& probe : probes_) {
    auto& trap = trap_ns_[static_cast<std::size_t>(probe.plan.kind)];
    if (!probe.usable() || trap) continue;
    const auto measured = calibrate_trap(*kernel_, probe.plan.kind);
    if (!measured) return measured.error();
    trap = *measured;
  }
  return success();
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

void Session::want_all(std::uint64_t now_ns) {
  for (const auto& probe : probes_) {
    if (probe.usable()) guard_.want(probe.plan.group, now_ns);
  }
}

// ---------------------------------------------------------------- attach and detach
gotrace_counters Session::counters(const Probe& probe) const {
  if (!kernel_) return probe.judged;
  return kernel_->counters(probe.plan.probe).value_or(probe.judged);
}

bool Session::any_usable(Group group) const {
  return std::ranges::any_of(probes_,
                             [group](const Probe& probe) { return probe.plan.group == group && probe.usable(); });
}

void Session::attach_group(Group group) {
  if (!kernel_) return;
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
    guard_.attached(group, clock_ns());
  } else {
    guard_.give_up(group);
  }
  if (group == Group::mallocs && any_usable(group)) {  // exact ones replace the sampled ones
    guard_.give_up(Group::allocations);
    detach_group(Group::allocations);
  }
}

void Session::detach_group(Group group) {
  const std::uint64_t end_ns = clock_ns();
  if (group == Group::lifecycle) stream_.close_lifecycle(end_ns);
  for (auto& probe : probes_) {
    if (probe.plan.group != group || !probe.attachment.attached()) continue;
    probe.attachment.detach();
    probe.attached_ns += end_ns - probe.attached_at_ns;
  }
  guard_.late_cost(group, cost_since(group));
  guard_.detached(group, clock_ns());
  if (group == Group::allocations) stream_.interrupt();
  if (group == Group::mallocs && watching_ && any_usable(Group::allocations)) {
    guard_.want(Group::allocations, clock_ns());
  }
}

GroupCost Session::cost_since(Group group) {
  GroupCost cost;
  for (auto& probe : probes_) {
    if (probe.plan.group != group) continue;
    const auto now = counters(probe);
    const std::uint64_t traps = now.traps - probe.judged.traps;
    cost.hits += traps;
    cost.cost_ns +=
        traps * trap_ns_[static_cast<std::size_t>(probe.plan.kind)].value_or(0) + (now.run_ns - probe.judged.run_ns);
    probe.judged = now;
  }
  return cost;
}

// One look of the guard. True: something was attached.
bool Session::govern(std::uint64_t now_ns) {
  if (!kernel_ || !watching_) return false;
  std::array<GroupCost, kGroups> costs;
  for (std::size_t i = 0; i < kGroups; ++i) costs[i] = cost_since(static_cast<Group>(i));
  bool attached = false;
  for (const auto& action : guard_.judge(costs, now_ns)) {
    if (action.attach) {
      attach_group(action.group);
      attached = true;
    } else {
      detach_group(action.group);
    }
  }
  return attached;
}

void Session::attach(std::uint64_t now_ns) {
  if (watching_) return;
  watching_ = true;
  watching_since_ns_ = now_ns;
  want_all(now_ns);
}

void Session::detach(std::uint64_t now_ns) {
  if (!watching_) return;
  wanted_ns_ = wanted_ns(now_ns);
  watching_ = false;
  for (std::size_t i = 0; i < kGroups; ++i) {
    guard_.give_up(static_cast<Group>(i));
    detach_group(static_cast<Group>(i));
  }
  drain(now_ns);
  stream_.interrupt();
}

// ---------------------------------------------------------------- drain and report
std::uint64_t Session::drain(std::uint64_t now_ns) {
  if (!kernel_) return 0;
  const auto taken = kernel_->consume([this](Bytes record) { stream_.take(record); }, kMostEventsPerDrain);
  for (const std::uint64_t hash : stream_.take_missing()) kernel_->forget_stack(hash);
  const auto refill = kernel_->counters(GOTRACE_REFILL);
  const bool gap = !refill || refill->lost != refill_lost_;
  if (refill) refill_lost_ = refill->lost;
  stream_.finish_drain(now_ns, gap);
  govern(now_ns);
  return taken;
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
  const auto view = guard_.view(probe.plan.group);
  if (!probe.usable()) {
    state.status = ProbeStatus::failed;
    state.reason = probe.failure;
  } else if (watching_ && !view.wanted) {
    state.status = ProbeStatus::withheld;
    state.reason = "every allocation is counted instead";
  } else if (!view.ever_refused && (view.attached || view.windows > 0)) {
    state.status = ProbeStatus::on;
  } else {
    state.status = view.windows > 1 ? ProbeStatus::windowed : ProbeStatus::withheld;
    state.reason = guard_.refusal(probe.plan.group);
    if (view.windows > 0) state.would_cost_percent = 100 * view.share;
  }
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
  for (const auto& trap : trap_ns_) {
    if (trap) overhead.trap_ns = std::max(overhead.trap_ns.value_or(0), *trap);
  }
  for (const auto& probe : probes_) {
    const auto count = counters(probe);
    overhead.hits += count.traps;
    overhead.bpf_run_ns += count.run_ns;
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
                                                  const ProbeOptions& options) {
  auto session = std::make_unique<Session>(program, symbolizer, objects, sink, options);
  session->start();
  return session;
}

}  // namespace gotrace::probe
