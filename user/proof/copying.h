// What both ways to make a capture share: all of it while the target stands still (capture.cpp), or most of it before
// (precopy.cpp).
#pragma once

#include <sys/resource.h>

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "goruntime/object_lookup.h"
#include "proof/capture.h"

namespace gotrace::proof {

constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();  // a deadline

[[nodiscard]] inline double seconds(std::uint64_t ns) { return static_cast<double>(ns) / 1e9; }

// "pid 1234 (/bin/server): "
[[nodiscard]] std::string about(const goruntime::Program& program);

// The spans of a program that runs: some may have changed already.
[[nodiscard]] std::optional<std::vector<goruntime::SpanView>> read_spans(const goruntime::Program& program);

// What standing still takes beside reading: to stop it, its registers and mappings, and a look at its spans.
[[nodiscard]] std::uint64_t fixed_pause_ns(const goruntime::Program& program, std::size_t spans);

// The first `bytes` of `ranges`.
[[nodiscard]] std::vector<process::MemoryRange> leading(const std::vector<process::MemoryRange>& ranges,
                                                        std::uint64_t bytes);

// Bytes a second at which `ranges` are read, as they will be: into memory of ours that is there already.
[[nodiscard]] Result<double> measure_speed(const goruntime::Program& program, const CaptureLimits& limits,
                                           const std::vector<process::MemoryRange>& ranges);

// Stops the target, at a moment at which each of its threads is one of Go's, if it has only such. A thread that was
// cloned just now is none yet (runtime/sys_linux_amd64.s, clone): it is let go and stopped again. Errors: as of
// StoppedTarget::stop.
[[nodiscard]] Result<process::StoppedTarget> stop_settled(const goruntime::Program& program, std::uint64_t deadline_ns);

// Copies while the target stands still, and counts. Error: the deadline passed.
[[nodiscard]] Status copy_stopped(const goruntime::Program& program, const CaptureLimits& limits,
                                  std::uint64_t deadline_ns, const std::vector<process::MemoryRange>& ranges,
                                  Captured& into);
[[nodiscard]] Error late(const goruntime::Program& program, const Captured& into);
[[nodiscard]] Error unreadable_heap(const goruntime::Program& program, const Captured& into);

// While it stands still nothing is as urgent as letting it go on.
class Hurry {
 public:
  Hurry() : before_(::getpriority(PRIO_PROCESS, 0)) { ::setpriority(PRIO_PROCESS, 0, -20); }  // may not be permitted
  Hurry(const Hurry&) = delete;
  Hurry& operator=(const Hurry&) = delete;
  ~Hurry() { ::setpriority(PRIO_PROCESS, 0, before_); }

 private:
  int before_;
};

}  // namespace gotrace::proof
