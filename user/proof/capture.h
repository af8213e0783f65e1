// Capture: the memory of a Go program that marking needs, and the registers of its threads, of one moment. The program
// stands still while it is copied; how long that will take is foreseen before. Where the kernel notes which pages are
// written to, most of it is copied before (precopy.h), and it stands still for the rest only.
//
// Copied are all pages that are written to and are not the Go heap's (package variables, what the runtime keeps of the
// heap, C's memory), and of the heap: spans whose objects may hold pointers, and stacks. Never the contents of spans
// without pointers.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "goruntime/object_lookup.h"
#include "goruntime/program.h"
#include "process/snapshot.h"
#include "process/stopped_target.h"
#include "proof/memory_need.h"

namespace gotrace::proof {

struct CaptureLimits {
  std::uint64_t max_pause_ns = 250'000'000;
  unsigned threads = 1;  // that copy while the target stands still
  std::string folder;    // in which the copy lies, in a file without a name; empty: in memory
};

struct PausePrediction {
  std::uint64_t pause_ns = 0;
  std::uint64_t to_copy_bytes = 0;  // while it stands still
  std::uint64_t all_bytes = 0;      // these, and what was copied while it ran
  double bytes_per_second = 0;      // as measured just now
  MemoryNeed need;                  // of ours
};

struct Captured {
  std::uint64_t stopped_ns = 0;  // CLOCK_MONOTONIC: when it stood still, and when it went on
  std::uint64_t resumed_ns = 0;
  std::uint64_t pause_ns = 0;  // with the time that clearing the kernel's notes of written pages took
  std::int64_t wall_ns = 0;    // CLOCK_REALTIME when it went on, of a file
  std::string incomplete;      // of a file: what is missing, so that nothing can be proved; empty: nothing is
  PausePrediction prediction;
  std::uint64_t copied_bytes = 0;         // while it stood still
  std::uint64_t copied_before_bytes = 0;  // while it ran
  std::uint64_t checked_bytes = 0;        // of these, compared once more while it stood still
  std::vector<process::StoppedThread> threads;
  std::vector<process::MemoryRange> foreign;     // what is written to and not the Go heap's
  std::vector<process::MemoryRange> unreadable;  // of it
  bool foreign_complete = true;                  // false: some of it was too large to look at
  std::vector<goruntime::SpanView> spans;        // in use, and manual ones
  std::uint32_t heap_sweepgen = 0;
  // Declared in this order: the view reads the target, which owns the snapshot, which falls back to what lies beyond.
  std::unique_ptr<process::RemoteMemory> beyond;  // of a file; null: the process itself
  process::Snapshot* snapshot = nullptr;
  std::unique_ptr<process::Target> target;
  std::unique_ptr<goruntime::Program> program;
};

// "3.1 MiB to read of 1.2 GiB at 3.9 GiB/s, the rest was copied while it ran"
[[nodiscard]] std::string to_read_text(const PausePrediction& prediction);

// What a capture would cost now. Does not stop the target, but copies it as far as that can be done while it runs.
[[nodiscard]] Result<PausePrediction> predict_pause(const goruntime::Program& program, const CaptureLimits& limits);

// Errors: the pause would be, or was getting, too long; the target can't be stopped or read. It goes on in each case.
[[nodiscard]] Result<Captured> capture(const goruntime::Program& program, const CaptureLimits& limits);

}  // namespace gotrace::proof
