// Session: wires a source of records to a recorder, the model, the detectors and a report, in one visible order.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "detect/analysis.h"
#include "records/record.h"

namespace gotrace::session {

struct LiveOptions {
  pid_t pid = 0;
  std::uint64_t duration_ns = 0;  // 0: until asked to stop
  std::uint64_t interval_ns = 1'000'000'000;
  std::uint64_t stuck_after_ns = 300'000'000'000;
  double max_overhead = 0.01;
  std::string max_overhead_text = "1%";
  double max_cpu = 0.05;  // of one CPU, for ourselves; looks are stretched to keep to it
  std::string probes = "auto";
  std::uint64_t buffer_bytes = 8U << 20;
  std::string record_path;  // empty: no trace kept
  bool replace = false;
  bool assist = false;  // may turn the target's own heap sampler on: writes to it
};

enum class Request : std::uint8_t { none, stop, stop_now, report, suspend };

struct LiveCallbacks {
  std::function<void(const std::string&)> warn;                    // one line, without prefix
  std::function<void(const detect::Analysis&)> on_interval;        // a screen may be drawn; may be empty
  std::function<void(const detect::Analysis&)> on_report_request;  // SIGUSR1
  std::function<Request(std::uint64_t wait_ns)> wait;              // sleeps up to wait_ns, returns early on a request
  // Request::suspend: everything is detached when this is called; stops this process and returns after SIGCONT.
  std::function<void()> suspend;
  // The trace can't be written any more (disk full). Request::stop ends the session, none goes on without a trace.
  std::function<Request(const Error&)> trace_failed;
};

// What --probes may say: "auto", "none", or a list of births, parks, ends, allocs (also by the runtime's names:
// newproc, gopark, goexit, mallocgc). Errors are of kind usage.
[[nodiscard]] Status check_probe_names(std::string_view text);

// Runs a live session to its end; the analysis is that of all its records. An Error only when nothing could be seen.
[[nodiscard]] Result<detect::Analysis> run_live(const LiveOptions& options, const LiveCallbacks& callbacks);

struct ProveOptions {
  pid_t pid = 0;
  std::uint64_t max_pause_ns = 250'000'000;
  unsigned threads = 0;   // that copy; 0: as many as are of use
  bool retention = true;  // tells who holds the memory
  std::string why;        // an address or a type: the way to it; empty: none
  std::uint64_t stuck_after_ns = 300'000'000'000;
  std::string record_path;    // empty: no trace kept
  std::string snapshot_path;  // empty: what was copied is not kept
  std::string copy_folder;    // where the copy lies meanwhile; empty: in memory
  bool replace = false;
};

struct PauseForecast {
  std::string exe;
  std::uint64_t pause_ns = 0;
  std::string to_read;             // how much, how fast, what was copied already: proof::to_read_text
  std::uint64_t memory_bytes = 0;  // of ours that it would take at most, with the copy
  std::string unprovable;          // why nothing can be proved of it, so that it would not be stopped; empty: it would
};
// How long `run_prove` would stop the target. Does not stop it.
[[nodiscard]] Result<PauseForecast> predict_pause(const ProveOptions& options);

// Stops the target for a moment, and proves which of its goroutines can never run again. An Error when it could not be
// looked at, or would have stood still for longer than it may. `warn`: one line, without prefix. `kept` is told the
// size of the snapshot, or why there is none: the proof stands all the same.
[[nodiscard]] Result<detect::Analysis> run_prove(const ProveOptions& options,
                                                 const std::function<void(const std::string&)>& warn,
                                                 const std::function<void(const Result<std::uint64_t>&)>& kept);

struct ProveFileOptions {
  std::string path;        // of a snapshot, or a core
  std::string executable;  // of the core, where it is now; empty: where the core says
  std::uint64_t stuck_after_ns = 300'000'000'000;
  std::string record_path;  // empty: no trace kept
  bool replace = false;
  bool retention = true;  // as ProveOptions
  std::string why;
};
// The same of a process's memory that was kept. An Error when the file can't be read, or is damaged.
[[nodiscard]] Result<detect::Analysis> run_prove_file(const ProveFileOptions& options,
                                                      const std::function<void(const std::string&)>& warn);

struct Replay {
  detect::Analysis analysis;
  std::string trouble;                // one line when the trace is damaged or ends early; else empty
  std::uint64_t unknown_records = 0;  // left out: of a newer version
};
// Called after each look that a trace holds, with the nanoseconds of record time since the one before it.
using OnLook = std::function<void(const detect::Analysis&, std::uint64_t elapsed_ns)>;
// The report of a trace: the same records through the same model. `stuck_after_ns` overrides what was recorded.
// `on_look` may be empty.
[[nodiscard]] Result<Replay> replay(const std::string& path, std::optional<std::uint64_t> stuck_after_ns,
                                    const OnLook& on_look = {});

}  // namespace gotrace::session
