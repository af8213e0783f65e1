// run_prove: one visible order. Open the target, see that it can be judged at all, stop it and copy its memory, let it
// go on, prove, look whether what is proved still stands, and tell all of it as records. The report is made from these
// only, as replay makes it.
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "detect/analyze.h"
#include "goruntime/program.h"
#include "goruntime/readers.h"
#include "goruntime/retention_reader.h"
#include "goruntime/symbolizer.h"
#include "process/kept_pages.h"
#include "process/memory_figures.h"
#include "process/target.h"
#include "process/target_lock.h"
#include "proof/capture.h"
#include "proof/prover.h"
#include "proof/reached_words.h"
#include "proof/recheck.h"
#include "proof/snapshot_file.h"
#include "session/clock.h"
#include "session/hub.h"
#include "session/kept_capture.h"
#include "session/session.h"

namespace gotrace::session {

namespace {

constexpr unsigned kMostCopiers = 4;  // threads that copy: the memory's bandwidth is used up soon

proof::CaptureLimits limits_of(const ProveOptions& options) {
  // The target's own threads stand still, so that their CPUs are free.
  const unsigned processors = std::max(1U, std::thread::hardware_concurrency());
  const unsigned threads = options.threads != 0 ? options.threads : std::min(processors, kMostCopiers);
  return {.max_pause_ns = options.max_pause_ns, .threads = threads, .folder = options.copy_folder};
}

// `given`: null for a process that is there.
SessionStart session_start(std::uint64_t stuck_after_ns, const proof::Captured* given) {
  SessionStart start;
  start.tool_version = GOTRACE_VERSION;
  start.wall_ns = given ? given->wall_ns - static_cast<std::int64_t>(given->pause_ns) : wall_ns();
  start.time_ns = given ? given->stopped_ns : monotonic_ns();
  start.stuck_after_ns = stuck_after_ns;
  start.probes = "none";
  return start;
}

// Keeps what was captured of a program; may be empty.
using Keep = std::function<void(const goruntime::Program&, const proof::Captured*,
                                const std::vector<process::MemoryRange>& beyond)>;

class ProveSession {
 public:
  ProveSession(const ProveOptions& options, const goruntime::Program& program, Hub& hub, Keep keep)
      : options_(options), program_(program), hub_(hub), symbolizer_(program, hub), keep_(std::move(keep)) {}
  // Of what was captured before.
  ProveSession(const ProveOptions& options, const proof::Captured& given, Hub& hub)
      : options_(options), program_(*given.program), hub_(hub), symbolizer_(program_, hub), given_(&given) {}

  [[nodiscard]] Result<detect::Analysis> run();

 private:
  void look_at_memory();
  void read_goroutines(const goruntime::Program& program, std::uint64_t now_ns);
  struct Proved {
    Proof proof;
    std::optional<HeapRetention> retention;    // nullopt: not wished for, or nothing could be proved
    std::optional<RetentionLook> partly_used;  // likewise
  };
  [[nodiscard]] Result<Proved> prove();
  [[nodiscard]] Result<Proved> stop_and_prove();
  [[nodiscard]] Proved judge(const proof::Captured& captured);
  [[nodiscard]] std::optional<RetentionLook> find_partly_used(const proof::Captured& captured,
                                                              goruntime::ObjectLookup& reached);
  void finish();

  const ProveOptions& options_;
  const goruntime::Program& program_;
  Hub& hub_;
  goruntime::Symbolizer symbolizer_;
  Keep keep_;
  const proof::Captured* given_ = nullptr;
};

void ProveSession::look_at_memory() {
  const std::uint64_t now_ns = given_ ? given_->stopped_ns : monotonic_ns();
  goruntime::make_heap_counter_reader(program_, hub_)->look(now_ns);
  if (given_) hub_.accept(process_was_not_asked(*given_));
  if (const auto figures = process::read_memory_figures(program_.target(), now_ns)) hub_.accept(*figures);
}

void ProveSession::read_goroutines(const goruntime::Program& program, std::uint64_t now_ns) {
  goruntime::make_goroutine_reader(program, symbolizer_, hub_)->look(now_ns);
}

Proof proof_of(const proof::Captured& captured, const proof::Verdicts& verdicts) {
  Proof proof;
  proof.time_ns = captured.resumed_ns;
  proof.off = verdicts.off;
  proof.pause_ns = captured.pause_ns;
  proof.predicted_ns = captured.prediction.pause_ns;
  proof.copied_bytes = captured.copied_bytes;
  proof.heap_bytes = verdicts.heap_bytes;
  proof.scannable_bytes = verdicts.scannable_bytes;
  proof.marked_objects = verdicts.marked_objects;
  proof.marked_bytes = verdicts.marked_bytes;
  proof.scanned_bytes = verdicts.scanned_bytes;
  proof.mark_ns = verdicts.mark_ns;
  proof.goroutines = verdicts.goroutines;
  proof.candidates = verdicts.candidates;
  for (const proof::ProvedGoroutine& goroutine : verdicts.proved) {
    proof.goids.push_back(goroutine.goid);
    proof.held_bytes.push_back(goroutine.held_bytes);
    proof.deadlocks.push_back(goroutine.deadlock);
  }
  return proof;
}

void withdraw(Proof& proof, std::uint64_t goid) {
  proof.off = fmt::format(
      "goroutine {} seemed to be stuck for good and has run since: the proof is wrong, and nothing of it is told; "
      "please "
      "report this as a fault of gotrace-leak",
      goid);
  proof.goids.clear();
  proof.held_bytes.clear();
  proof.deadlocks.clear();
  proof.reached.clear();
}

Result<ProveSession::Proved> ProveSession::prove() {
  if (auto why = proof::why_unprovable(program_); !why.empty()) {  // not stopped for nothing
    if (keep_) keep_(program_, nullptr, {});
    Proof proof;
    proof.time_ns = given_ ? given_->resumed_ns : monotonic_ns();
    proof.off = std::move(why);
    read_goroutines(program_, proof.time_ns);
    return Proved{std::move(proof), std::nullopt, std::nullopt};
  }
  return given_ ? judge(*given_) : stop_and_prove();
}

Result<ProveSession::Proved> ProveSession::stop_and_prove() {
  const auto captured = proof::capture(program_, limits_of(options_));
  if (!captured) return captured.error();
  ::setpriority(PRIO_PROCESS, 0, std::min(19, ::getpriority(PRIO_PROCESS, 0) + 10));  // the target goes first
  if (!keep_) return judge(*captured);
  process::KeptPages pages(program_.target().memory());
  captured->snapshot->fall_back_to(&pages);
  auto proved = judge(*captured);
  keep_(program_, &*captured, pages.ranges());
  return proved;
}

class LastRetentionLook final : public RecordSink {
 public:
  void accept(const Record& record) override {
    if (const auto* look = std::get_if<RetentionLook>(&record)) last = *look;
  }
  std::optional<RetentionLook> last;
};

// Large objects that small references keep: the same search as of a process that runs, of memory that stands still, and
// of what is reached. Its second pass finds what the first has found; between them it asks for time that need not pass.
std::optional<RetentionLook> ProveSession::find_partly_used(const proof::Captured& captured,
                                                            goruntime::ObjectLookup& reached) {
  constexpr double kCpuShare = 0.2;                   // 4 s of CPU a search at most, see make_retention_reader
  constexpr std::uint64_t kAnyRest = 60'000'000'000;  // longer than it rests
  constexpr int kMostRests = 4;
  LastRetentionLook found;
  const auto reader = goruntime::make_retention_reader(*captured.program, symbolizer_, reached, found, kCpuShare);
  std::uint64_t now_ns = monotonic_ns();
  for (int rests = 0; !found.last && rests < kMostRests; ++rests) {
    now_ns += kAnyRest;
    while (!found.last && reader->due(now_ns))
      if (reader->look(now_ns) != goruntime::Look::ok) break;
  }
  if (found.last) found.last->time_ns = captured.resumed_ns;
  return found.last;
}

ProveSession::Proved ProveSession::judge(const proof::Captured& captured) {
  read_goroutines(*captured.program, captured.resumed_ns);
  const proof::RetentionWish wish{options_.why};
  Proved result;
  const auto search = [&](goruntime::ObjectLookup& reached) {
    result.partly_used = find_partly_used(captured, reached);
  };
  const proof::Verdicts verdicts = proof::prove(captured, options_.retention ? &wish : nullptr, search);
  result.proof = proof_of(captured, verdicts);
  proof::WayWords words(*captured.program, symbolizer_);
  for (const proof::ReachedGroup& group : verdicts.reached) result.proof.reached.push_back(describe(words, group));
  if (verdicts.retention) result.retention = words.retention(*verdicts.retention, options_.why);
  if (result.retention) result.retention->time_ns = captured.resumed_ns;
  if (given_) return result;  // what has become of it since nobody knows
  if (const auto goid = proof::find_contradiction(program_, captured, verdicts)) {
    withdraw(result.proof, *goid);
    result.retention.reset();
    result.partly_used.reset();
  }
  return result;
}

void ProveSession::finish() {
  SessionEnd end;
  end.time_ns = std::max(given_ ? given_->resumed_ns : monotonic_ns(), hub_.model().latest_ns());
  end.reason = given_ || program_.target().alive() ? EndReason::duration : EndReason::target_exited;
  end.own_cpu_ns = own_cpu_ns();
  end.own_peak_rss_bytes = own_peak_rss_bytes();
  hub_.accept(end);
}

Result<detect::Analysis> ProveSession::run() {
  hub_.accept(session_start(options_.stuck_after_ns, given_));
  hub_.accept(program_.target_info());
  hub_.release_warnings();
  look_at_memory();
  const auto proved = prove();
  if (!proved) return proved.error();
  hub_.accept(proved->proof);
  if (proved->retention) hub_.accept(*proved->retention);
  if (proved->partly_used) hub_.accept(*proved->partly_used);
  finish();
  return detect::analyze(hub_.model());
}

Result<std::unique_ptr<Hub>> open_hub(const ProveOptions& options,
                                      const std::function<void(const std::string&)>& warn) {
  std::unique_ptr<trace::Writer> writer;
  if (!options.record_path.empty()) {
    auto created = trace::Writer::create(options.record_path, options.replace);
    if (!created) return created.error();
    writer = std::move(*created);
  }
  return std::make_unique<Hub>(std::move(writer), warn);
}

Result<detect::Analysis> finished(Hub& hub, Result<detect::Analysis> analysis) {
  if (const auto ended = hub.finish(); analysis && !ended) return ended.error();
  return analysis;
}

struct Opened {
  process::Target target;
  process::TargetLock lock;
};

Result<Opened> open_alone(pid_t pid) {
  auto target = process::Target::open(pid);
  if (!target) return target.error();
  auto lock = process::TargetLock::take(*target);
  if (!lock) return lock.error();
  return Opened{std::move(*target), std::move(*lock)};
}

}  // namespace

Result<PauseForecast> predict_pause(const ProveOptions& options) {
  const auto opened = open_alone(options.pid);
  if (!opened) return opened.error();
  const auto program = goruntime::Program::open(opened->target);
  if (!program) return program.error();
  if (auto why = proof::why_unprovable(**program); !why.empty())
    return PauseForecast{.exe = opened->target.exe(),
                         .pause_ns = 0,
                         .to_read = {},
                         .memory_bytes = 0,
                         .unprovable = std::move(why)};  // nor touched
  const auto predicted = proof::predict_pause(**program, limits_of(options));
  if (!predicted) return predicted.error();
  return PauseForecast{.exe = opened->target.exe(),
                       .pause_ns = predicted->pause_ns,
                       .to_read = proof::to_read_text(*predicted),
                       .memory_bytes = predicted->need.copy + predicted->need.marking,
                       .unprovable = {}};
}

Result<detect::Analysis> run_prove(const ProveOptions& options, const std::function<void(const std::string&)>& warn,
                                   const std::function<void(const Result<std::uint64_t>&)>& kept) {
  const auto opened = open_alone(options.pid);
  if (!opened) return opened.error();
  const auto program = goruntime::Program::open(opened->target);
  if (!program) return program.error();
  auto hub = open_hub(options, warn);
  if (!hub) return hub.error();
  Keep keep;
  std::optional<PendingFile> file;
  if (!options.snapshot_path.empty()) {  // a name that is taken is known before it is stopped
    auto created = PendingFile::create(options.snapshot_path, options.replace, "the snapshot");
    if (!created) return created.error();
    file.emplace(std::move(*created));
    keep = [&](const goruntime::Program& of, const proof::Captured* captured, const auto& beyond) {
      kept(keep_capture(*file, of, captured, beyond));
      file.reset();
    };
  }
  return finished(**hub, ProveSession(options, **program, **hub, std::move(keep)).run());
}

Result<detect::Analysis> run_prove_file(const ProveFileOptions& options,
                                        const std::function<void(const std::string&)>& warn) {
  const auto captured = open_capture(options);
  if (!captured) return captured.error();
  ProveOptions prove;
  prove.stuck_after_ns = options.stuck_after_ns;
  prove.record_path = options.record_path;
  prove.replace = options.replace;
  prove.retention = options.retention;
  prove.why = options.why;
  auto hub = open_hub(prove, warn);
  if (!hub) return hub.error();
  return finished(**hub, ProveSession(prove, *captured, **hub).run());
}

}  // namespace gotrace::session
