#include "models.h"

#include <limits>

namespace gotrace::report::test {

namespace {

constexpr std::uint64_t kMiB = 1U << 20;
constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kStartWall = 1'795'403'232 * kSecond;  // 2026-11-23 03:07:12 UTC

TargetInfo target(const char* exe, std::int64_t age_seconds) {
  TargetInfo info;
  info.pid = info.ns_pid = 4242;
  info.host = "web-7";
  info.exe = exe;
  info.go_version = "go1.24.4";
  info.build_id = "8c1f00d2";
  info.arch = "amd64";
  info.stripped = true;
  info.started_wall_ns = kStartWall - age_seconds * kSecond;
  info.gogc_percent = 100;
  info.gomemlimit_bytes = std::numeric_limits<std::int64_t>::max();
  info.memory_profile_rate = 524288;
  return info;
}

detect::ProbeSummary probe(const char* name, const char* symbol, ProbeStatus status, double attached) {
  detect::ProbeSummary summary;
  summary.state.name = name;
  summary.state.symbol = symbol;
  summary.state.status = status;
  summary.attached_seconds = attached;
  summary.window_seconds = 10;
  return summary;
}

// What every look of ten seconds has.
detect::Analysis base(const char* exe, std::int64_t age_seconds) {
  detect::Analysis analysis;
  analysis.session.tool_version = "0.1.0";
  analysis.session.wall_ns = kStartWall;
  analysis.session.stuck_after_ns = 300'000'000'000;
  analysis.session.max_overhead = "1%";
  analysis.session.probes = "auto";
  analysis.end = SessionEnd{};
  analysis.end->own_cpu_ns = 120'000'000;
  analysis.target = target(exe, age_seconds);
  analysis.window = {kStartWall, 10.0, true, EndReason::duration, 3};
  analysis.snapshots = {10, 4'000'000, 6'000'000};
  analysis.probes = {probe("births", "runtime.newproc1", ProbeStatus::on, 10),
                     probe("ends", "runtime.goexit1", ProbeStatus::on, 10),
                     probe("parks", "runtime.gopark", ProbeStatus::windowed, 1.2)};
  analysis.overhead = Overhead{0, 2000, 20'000, 0, 40'000'000, 10'000'000'000};
  analysis.loss = {{"events", 0}};
  return analysis;
}

void add_memory(detect::Analysis& analysis) {
  auto& memory = analysis.memory;
  MemoryFigures figures;
  figures.vm_bytes = 3174 * kMiB;
  figures.rss_bytes = 1659 * kMiB;
  figures.shared_bytes = 24 * kMiB;
  memory.last = figures;
  memory.mem_percent = 10.4;
  memory.rss_parts = {{"heap_live", 872 * kMiB}, {"heap_garbage_or_idle", 690 * kMiB},
                      {"stacks", 41 * kMiB},     {"runtime", 28 * kMiB},
                      {"files", 24 * kMiB},      {"other", 4 * kMiB}};
  memory.heap_live_bytes = 872 * kMiB;
  memory.heap_after_gc_bytes = {864 * kMiB, 868 * kMiB, 872 * kMiB};
  memory.heap_growth = detect::Rate{1.0 * kMiB, 0.8 * kMiB, 1.2 * kMiB};
  memory.heap_trend = detect::Trend::growing;
  memory.limits = {{LimitKind::cgroup, "/kubepods", 3072 * kMiB, 1700 * kMiB, 2.1 * kMiB, 480, 720}};
}

detect::Finding goroutine_leak() {
  detect::Finding finding;
  finding.id = "gl-7c19e2d4";
  finding.exact_id = "gl-7c19e2d4-00c1";
  finding.kind = "goroutine-leak";
  finding.verdict = detect::Verdict::leaking;
  finding.trend = detect::Trend::growing;
  finding.title = "goroutines are started and never end";
  finding.where = frame("main.(*API).quote", "/src/orderd/quote.go", 88);
  finding.blocked_at = frame("main.(*API).quote.func1", "/src/orderd/quote.go", 91);
  finding.wait_reason = "chan send";
  finding.count = 4212;
  finding.bytes = 33 * kMiB;
  finding.growth = detect::Rate{5.0, 4.7, 5.3};
  finding.growth_unit = "goroutines";
  finding.confidence = detect::Confidence::high;
  finding.since_seconds_at_least = 850;
  finding.evidence = {{"growth", "in 10.0 s 50 started and none ended"},
                      {"own-channel", "Each sends on a channel of its own (cap 0), and no goroutine is receiving."}};
  finding.advice = "give the channel room for one: make(chan T, 1); or select on the send and ctx.Done()";
  finding.group_ids = {"gg-1"};
  return finding;
}

detect::Finding map_leak() {
  detect::Finding finding;
  finding.id = "gc-b2018f6a";
  finding.exact_id = "gc-b2018f6a-0001";
  finding.kind = "growing-call-site";
  finding.verdict = detect::Verdict::leaking;
  finding.trend = detect::Trend::growing;
  finding.title = "what this line allocates stays";
  finding.where = frame("main.(*Cache).put", "/src/orderd/cache.go", 41);
  finding.stack = {*finding.where, frame("main.(*API).quote", "/src/orderd/quote.go", 77)};
  finding.count = 862'000;
  finding.bytes = 842 * kMiB;
  finding.growth = detect::Rate{1.0 * kMiB, 0.8 * kMiB, 1.2 * kMiB};
  finding.growth_unit = "bytes";
  finding.evidence = {{"size-class-grows", "live heap after GC: 864 -> 868 -> 872 MiB."}};
  finding.advice = "bound or expire what put() keeps";
  finding.site_ids = {"cs-1"};
  return finding;
}

detect::GoroutineGroup group(const char* id, std::uint64_t count, const Frame& blocked, const char* reason,
                             std::optional<double> oldest, const char* because) {
  detect::GoroutineGroup result;
  result.id = id;
  result.creation_site_id = "st-1";
  result.count = count;
  result.blocked_at = blocked;
  result.start = blocked;
  result.stack = {blocked};
  result.wait_reason = reason;
  result.oldest_seconds_at_least = oldest;
  result.newest_seconds_at_least = oldest ? std::optional(1.0) : std::nullopt;
  result.stack_bytes = count * 8192;
  result.verdict = detect::Verdict::healthy;
  result.normal_because = because;
  result.goids = {17, 18, 19};
  return result;
}

detect::CallSite call_site(const char* id, std::uint64_t bytes, detect::Trend trend, const Frame& where) {
  detect::CallSite site;
  site.id = id;
  site.stack = {where};
  site.live_bytes = bytes;
  site.live_objects = bytes / 1024;
  site.trend = trend;
  site.verdict = detect::Verdict::healthy;
  return site;
}

}  // namespace

Frame frame(const char* function, const char* file, int line, bool standard_library) {
  return {function, file, line, false, standard_library};
}

detect::Analysis leaking() {
  auto analysis = base("/usr/local/bin/orderd", 842);
  analysis.target->ns_pid = 1;
  analysis.target->container_id = "3f9c0a7be1120000";
  analysis.summary = {detect::SummaryVerdict::leak, {"goroutine-growth", "heap-growth"}, {}, 0.5, 0.2 * kMiB};
  analysis.heap_profile = {10, 524288, 912};
  analysis.retention = detect::RetentionSummary{4, 300 * kMiB, 1000 * kMiB, 5031, 1200, 2'000'000'000};
  analysis.goroutines.total = 5031;
  analysis.goroutines.totals = {4981, 5006, 5031};
  analysis.goroutines.by_status = {{"waiting", 5030}, {"running", 1}};
  analysis.goroutines.groups = {group("gg-1", 4212, *goroutine_leak().blocked_at, "chan send", 850, "")};
  analysis.goroutines.groups.front().verdict = detect::Verdict::leaking;
  analysis.call_sites = {call_site("cs-1", 842 * kMiB, detect::Trend::growing, *map_leak().where)};
  analysis.findings = {goroutine_leak(), map_leak()};
  add_memory(analysis);
  return analysis;
}

detect::Analysis healthy() {
  auto analysis = base("/usr/bin/caddy", 6 * 86400 + 7500);
  analysis.summary = {detect::SummaryVerdict::none_seen,
                      {"goroutine-growth", "goroutine-stuck", "heap-growth", "call-site-growth", "outside-heap"},
                      {},
                      0.5,
                      0.2 * kMiB};
  analysis.heap_profile = {10, 524288, 912};
  auto& goroutines = analysis.goroutines;
  goroutines.total = 1206;
  goroutines.totals = {1204, 1198, 1206};
  goroutines.trend = detect::Trend::flat;
  goroutines.stuck = 37;
  goroutines.stuck_places = 9;
  goroutines.groups = {
      group("gg-1", 812, frame("net/http.(*conn).serve", "/go/src/net/http/server.go", 1990, true), "IO wait", 38,
            "idle connection"),
      group("gg-2", 340, frame("net/http.(*persistConn).writeLoop", "/go/src/net/http/transport.go", 2400, true),
            "select", 41, "pool, steady"),
      group("gg-3", 31, frame("example.com/deep/path/jobs.(*Pool).worker", "/src/jobs/pool.go", 12), "chan receive",
            6 * 86400 + 7300, "pool of 31"),
      group("gg-4", 2, frame("main.main", "/src/main.go", 9), "select (no cases)", std::nullopt, ""),
  };
  detect::CreationSite site;
  site.id = "st-1";
  site.where = frame("net/http.(*Server).Serve", "/go/src/net/http/server.go", 3086, true);
  site.count = 812;
  site.births = detect::Rate{12.5, 10.1, 15.3};
  site.trend = detect::Trend::flat;
  site.verdict = detect::Verdict::healthy;
  goroutines.sites = {site};
  analysis.call_sites = {
      call_site("cs-1", 22 * kMiB, detect::Trend::flat,
                frame("bufio.NewReaderSize", "/go/src/bufio/bufio.go", 57, true)),
      call_site("cs-2", 4 * kMiB, detect::Trend::plateaued,
                frame("go.uber.org/zap.(*Logger).clone", "/m/zap/logger.go", 331)),
  };
  add_memory(analysis);
  auto& memory = analysis.memory;
  memory.heap_after_gc_bytes = {61 * kMiB, 60 * kMiB, 61 * kMiB, 60 * kMiB};
  memory.heap_trend = detect::Trend::flat;
  memory.heap_growth.reset();
  memory.outside_heap_bytes = 46 * kMiB;
  memory.outside_heap_trend = detect::Trend::flat;
  memory.limits.front().seconds_low.reset();
  memory.limits.front().seconds_high.reset();
  return analysis;
}

detect::Analysis stuck() {
  auto analysis = base("/srv/billing", 7200);
  detect::Finding finding = goroutine_leak();
  finding.id = "gl-40d1c77e";
  finding.verdict = detect::Verdict::suspected;
  finding.trend = detect::Trend::flat;
  finding.title = "goroutines are stuck and not growing";
  finding.where = frame("main.(*Batch).Run", "/src/billing/batch.go", 132);
  finding.blocked_at = frame("main.(*Batch).wait", "/src/billing/batch.go", 158);
  finding.wait_reason = "chan receive";
  finding.count = 5000;
  finding.bytes = 39 * kMiB;
  finding.growth = detect::Rate{0, 0, 0.1};
  finding.since_seconds_at_least = 2820;
  finding.evidence = {{"never-ran", "None of them ran in 10.0 s, none was added, none ended."}};
  finding.advice = "";
  finding.not_known = "whether anything can still wake them";
  finding.look_at = "what happened when they started: a deploy, a failover, a burst of requests";
  analysis.findings = {finding};
  analysis.summary = {detect::SummaryVerdict::suspected,
                      {"goroutine-growth", "goroutine-stuck"},
                      {{"call-site-growth", "The program's heap profile is off (the linker dropped it)",
                        "call runtime/pprof or set runtime.MemProfileRate in the program"}},
                      0.5,
                      std::nullopt};
  analysis.goroutines.total = 5214;
  analysis.goroutines.totals = {5214, 5214};
  analysis.goroutines.trend = detect::Trend::flat;
  analysis.goroutines.groups = {group("gg-1", 5000, *finding.blocked_at, "chan receive", 2820, "")};
  SourceState profile;
  profile.name = "heap-profile";
  profile.status = SourceStatus::off;
  profile.reason = "the linker dropped it";
  SourceState objects;
  objects.name = "wait-objects";
  objects.status = SourceStatus::failed;
  objects.reason = "the layout of sudog did not validate";
  analysis.sources = {profile, objects};
  analysis.probes[2].state.status = ProbeStatus::withheld;
  analysis.probes[2].state.would_cost_percent = 18;
  analysis.loss = {{"events", 12}, {"torn_stacks", 3}};
  analysis.gaps = {{1'000'000'000, 4'000'000'000, "suspended"}};
  analysis.target->layout_exact = false;
  analysis.target->layout_row = "go1.24";
  analysis.recorded_stuck_after_ns = 60'000'000'000;
  analysis.window.end = EndReason::signal;
  return analysis;
}

namespace {

detect::HeapHolders holders() {
  detect::HeapHolders result;
  result.took_ns = 240'000'000;
  result.bytes = 318 * kMiB;
  result.objects = 2'400'000;
  result.references = 4'100'000;
  detect::HeapHolder variable;
  variable.name = "package variable main.registry";
  variable.bytes = 201 * kMiB;
  variable.objects = 1'900'000;
  variable.path =
      "package variable main.registry -> an object of 208 bytes -> []main.entry in an object of 2097152 bytes";
  detect::HeapHolder goroutines;
  goroutines.kind = RetainerKind::goroutines;
  goroutines.created_by = frame("main.(*Batch).Run", "/src/billing/batch.go", 132);
  goroutines.held_at = frame("main.(*Batch).wait", "/src/billing/batch.go", 158);
  goroutines.proved = true;
  goroutines.goroutines = 5000;
  goroutines.goid = 81'340;
  goroutines.bytes = 61 * kMiB;
  goroutines.objects = 20'000;
  detect::HeapHolder shared;
  shared.kind = RetainerKind::shared;
  shared.name = "main.session";
  shared.instances = 400;
  shared.bytes = 40 * kMiB;
  shared.objects = 4'000;
  shared.path = "a package variable -> an object of 4096 bytes -> main.session in an object of 1024 bytes";
  shared.used_at = frame("main.setup", "/src/billing/main.go", 12);
  detect::HeapHolder timers;
  timers.kind = RetainerKind::timers;
  timers.name = "timers, and what else the scheduler has";
  timers.bytes = kMiB;
  timers.objects = 1;
  result.holders = {variable, goroutines, shared, timers};
  result.types = {
      {"main.entry", 2 * kMiB, 1, 200 * kMiB, 1'900'000, variable.path, std::nullopt},
      {"objects of 64 bytes", 64, 3000, 2 * kMiB, 9000, "goroutine 7 -> an object of 64 bytes", std::nullopt}};
  return result;
}

}  // namespace

detect::Analysis proved() {
  auto analysis = stuck();
  analysis.holders = holders();
  detect::Finding& finding = analysis.findings.front();
  finding.verdict = detect::Verdict::proved;
  finding.trend = detect::Trend::unknown;
  finding.growth.reset();
  finding.title = "goroutines can never run again";
  finding.evidence = {{"unreachable",
                       "Nothing that can still run leads to the channel they wait on: no other goroutine, "
                       "package variable, timer or finalizer."}};
  finding.advice = "close the channel, or send to it, on every path; or select on it and ctx.Done()";
  finding.not_known = finding.look_at = "";
  Proof proof;
  proof.pause_ns = 38'000'000;
  proof.predicted_ns = 41'000'000;
  proof.copied_bytes = 212 * kMiB;
  proof.heap_bytes = 512 * kMiB;
  proof.scannable_bytes = 190 * kMiB;
  proof.marked_objects = 2'400'000;
  proof.marked_bytes = 318 * kMiB;
  proof.scanned_bytes = 170 * kMiB;
  proof.mark_ns = 120'000'000;
  proof.goroutines = 5214;
  proof.candidates = 5180;
  for (std::uint64_t goid = 100; goid < 5100; ++goid) {
    proof.goids.push_back(goid);
    proof.held_bytes.push_back(64);
    proof.deadlocks.push_back(0);
  }
  analysis.proof = proof;
  analysis.reached = {
      {31, frame("main.start", "/src/billing/main.go", 40), frame("main.worker", "/src/billing/main.go", 52),
       "chan receive", "package variable main.registry -> an object of 208 bytes -> the channel", std::nullopt},
      {2, std::nullopt, frame("main.flush", "/src/billing/main.go", 90), "select", "a package variable -> the channel",
       frame("main.setup", "/src/billing/main.go", 12)}};
  analysis.summary.verdict = detect::SummaryVerdict::leak;
  analysis.summary.checked = {"goroutine-proof"};
  analysis.summary.not_checked = {{"goroutine-growth", "one moment shows no growth", "gotrace-leak -p 4242"}};
  analysis.sources.clear();
  analysis.loss.clear();
  analysis.gaps.clear();
  analysis.target->layout_exact = true;
  analysis.recorded_stuck_after_ns.reset();
  analysis.window.end = EndReason::duration;
  analysis.window.seconds = 0.8;
  return analysis;
}

detect::Analysis nothing_proved() {
  auto analysis = proved();
  analysis.findings.clear();
  analysis.proof->goids.clear();
  analysis.proof->held_bytes.clear();
  analysis.proof->deadlocks.clear();
  analysis.holders->asked = "main.session";
  analysis.holders->ways = {{"main.session in an object of 1024 bytes", 1024, 1, kMiB, 10,
                             "a package variable -> an object of 4096 bytes -> main.session in an object of 1024 bytes",
                             frame("main.setup", "/src/billing/main.go", 12)}};
  analysis.summary.verdict = detect::SummaryVerdict::insufficient_data;
  return analysis;
}

detect::Analysis unprovable() {
  auto analysis = nothing_proved();
  analysis.holders.reset();
  analysis.proof = Proof{};
  analysis.proof->off = "it has loaded plugins, whose package variables are not looked at";
  analysis.summary.checked.clear();
  analysis.summary.not_checked.push_back({"goroutine-proof", analysis.proof->off, ""});
  return analysis;
}

detect::Analysis unknown() { return {}; }

detect::Analysis hostile() {
  auto analysis = leaking();
  const std::string bad =
      "main.\x1b[31mEvil\r\n\x9b" + std::string("\xff\xc0\x80 \xe2\x80\xae") + std::string(5000, 'A');
  analysis.target->exe = "/tmp/$(reboot)\x1b]0;x\x07\n" + bad;
  analysis.target->go_version = analysis.target->container_id = analysis.target->module = bad;
  for (auto& finding : analysis.findings) {
    finding.where->function = finding.where->file = finding.wait_reason = finding.advice = finding.title = bad;
    finding.stack = {*finding.where};
    finding.evidence.push_back({"x", bad});
  }
  for (auto& item : analysis.goroutines.groups) {
    item.blocked_at->function = item.wait_reason = item.normal_because = bad;
    item.stack = {*item.blocked_at};
  }
  analysis.call_sites.front().stack.front().function = bad;
  analysis.holders = holders();
  analysis.holders->asked = analysis.holders->why_not = bad;
  for (auto& holder : analysis.holders->holders) {
    holder.name = holder.path = bad;
    if (holder.created_by) holder.created_by->function = holder.held_at->file = bad;
  }
  for (auto& type : analysis.holders->types) type.name = type.path = bad;
  analysis.gaps = {{5, 1, bad}};
  analysis.loss[bad] = 7;
  analysis.sources = {{0, bad, SourceStatus::failed, bad, bad}};
  analysis.summary.not_checked = {{bad, bad, bad}};
  analysis.window.seconds = 1e300;
  analysis.memory.limits.front().seconds_high.reset();
  analysis.memory.heap_growth = detect::Rate{1, std::numeric_limits<double>::infinity(), -1};
  return analysis;
}

}  // namespace gotrace::report::test
