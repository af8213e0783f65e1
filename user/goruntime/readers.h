// The tier-0 readers: each look reads one kind of thing from the target without stopping it and sends records.
// A reader that cannot work says why in a SourceState and stays silent from then on; the others go on.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "goruntime/program.h"
#include "goruntime/symbolizer.h"
#include "records/record.h"

namespace gotrace::goruntime {

enum class Look : std::uint8_t { ok, unavailable, target_gone };

class Reader {
 public:
  virtual ~Reader() = default;
  // `now_ns`: CLOCK_MONOTONIC. Sends records to the sink given at construction.
  virtual Look look(std::uint64_t now_ns) = 0;
};

// The factories validate the layouts they need against the live process first and send SourceState records
// ("snapshots", "stacks", "wait-objects"; "heap-profile"; "heap-counters"). They never return null.
// All arguments must outlive the reader.
std::unique_ptr<Reader> make_goroutine_reader(const Program& program, Symbolizer& symbolizer, RecordSink& sink);
// `ours`: the profile was turned on by us just now (ProfileSwitch). Each P then takes its next allocation as a sample,
// whatever its size (runtime/malloc.go, nextSample): what the first moments bring is discarded.
std::unique_ptr<Reader> make_heap_profile_reader(const Program& program, Symbolizer& symbolizer, RecordSink& sink,
                                                 bool ours = false);
std::unique_ptr<Reader> make_heap_counter_reader(const Program& program, RecordSink& sink);

// Address -> span -> object: which slot of which span an address lies in, and whether it survived the last GC.
class ObjectLookup {
 public:
  struct Object {
    process::Address base = 0;
    std::uint64_t size = 0;
    std::uint8_t span_class = 0;  // size class << 1 | noscan
    bool noscan = false;
    bool marked = false;     // its allocBits bit: survived the last completed GC
    bool allocated = false;  // marked, or below freeindex (may be new or garbage)
    std::uint32_t span_sweepgen = 0;
    std::uint32_t heap_sweepgen = 0;
  };
  virtual ~ObjectLookup() = default;
  [[nodiscard]] virtual bool available() const = 0;
  [[nodiscard]] virtual std::optional<Object> find(process::Address address) = 0;
  [[nodiscard]] virtual std::optional<std::uint32_t> heap_sweepgen() = 0;
};
std::unique_ptr<ObjectLookup> make_object_lookup(const Program& program, RecordSink& sink);

// Who else holds what stuck goroutines wait on: data and bss, stacks of other goroutines, scannable heap, at most
// `budget_bytes` of it. Reads without stopping, so its answer only ever clears a suspicion. Sends one WaitObjectHolders
// per waiter.
struct Waiter {
  std::uint64_t goid = 0;
  process::Address address = 0;
};
void find_holders(const Program& program, RecordSink& sink, std::span<const Waiter> waiters,
                  std::span<const std::uint64_t> cohort_goids, std::uint64_t budget_bytes, std::uint64_t now_ns);

}  // namespace gotrace::goruntime
