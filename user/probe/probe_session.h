// ProbeSession: tier 1. Uprobes on the target, drained into records. Detached by destruction, whatever happens.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "goruntime/program.h"
#include "goruntime/readers.h"
#include "goruntime/symbolizer.h"
#include "records/record.h"

namespace gotrace::probe {

struct ProbeOptions {
  bool births = true;
  bool parks = true;
  bool ends = true;
  bool allocations = true;                   // the natural sampling points: refill + allocLarge
  bool follow_large = true;                  // tell what becomes of large objects, where they are few
  bool every_allocation = true;              // the mallocgc family, exact, beside them, while it fits full-time
  bool every_allocation_in_windows = false;  // and also where it does not
  double max_overhead = 0.01;                // share of what CpuBase says; 0: no probes
  std::uint64_t buffer_bytes = 8U << 20;
};

// The allocator's counters as they stand now, to foretell rates; nullopt: not to be had.
using HeapCounterSource = std::function<std::optional<HeapCounters>()>;

class ProbeSession {
 public:
  // Loads, picks the sites, verifies their bytes and attaches. Never fails as a whole: what cannot be attached is a
  // ProbeState with its reason. All arguments must outlive the session.
  [[nodiscard]] static std::unique_ptr<ProbeSession> start(const goruntime::Program& program,
                                                           goruntime::Symbolizer& symbolizer,
                                                           goruntime::ObjectLookup& objects, RecordSink& sink,
                                                           const ProbeOptions& options,
                                                           HeapCounterSource heap_counters = {});
  virtual ~ProbeSession() = default;

  // Drains the ring buffer into records and governs; to be called at due_ns() at the latest. Returns events taken.
  virtual std::uint64_t drain(std::uint64_t now_ns) = 0;
  // At least every 50 ms; sooner while much comes in or a short window is open. UINT64_MAX: no probe can be attached.
  [[nodiscard]] virtual std::uint64_t due_ns() const = 0;
  // After a GC: looks after the tracked allocation samples and sends AllocationFates.
  virtual void check_fates(const HeapCounters& counters) = 0;
  // Sends ProbeState, Overhead and Loss records as of now.
  virtual void report(std::uint64_t now_ns) = 0;
  virtual void detach(std::uint64_t now_ns) = 0;
  virtual void attach(std::uint64_t now_ns) = 0;  // again, after detach (SIGCONT)
};

}  // namespace gotrace::probe
