// EventStream: turns what the probes sent into records.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "goruntime/program.h"
#include "goruntime/readers.h"
#include "goruntime/symbolizer.h"
#include "probe/events.h"
#include "probe/fates.h"
#include "probe/pairing.h"
#include "probe/spans.h"
#include "records/record.h"

namespace gotrace::probe {

class EventStream {
 public:
  // All must outlive it. `size_classes` as in TargetInfo.
  EventStream(const goruntime::Program& program, goruntime::Symbolizer& symbolizer, goruntime::ObjectLookup& objects,
              RecordSink& sink, std::vector<std::uint32_t> size_classes);

  // One record of the ring buffer.
  void take(Bytes record);
  // After a drain: settles allocation samples and sends them. `gap`: hits of refill were lost since the last drain.
  void finish_drain(std::uint64_t now_ns, bool gap);
  // Births and ends count from when both are watched until one is not any more, or they would not pair.
  void open_lifecycle(std::uint64_t begin_ns) { lifecycle_ = {begin_ns, UINT64_MAX}; }
  void close_lifecycle(std::uint64_t end_ns) { lifecycle_.end_ns = end_ns; }
  // Refill is about to be watched no more: reads what the pending samples got while that can still be known.
  void look_at_pending(std::uint64_t now_ns) { look_at_slots(now_ns, 0); }
  // Refill is not watched from here on.
  void interrupt();
  void check_fates(const HeapCounters& counters);

  [[nodiscard]] std::uint64_t malformed() const { return malformed_; }
  [[nodiscard]] std::uint64_t unknown_stacks() const { return unknown_stacks_; }
  // Stacks that the kernel believes sent but that are not known here; it is to send them again.
  [[nodiscard]] std::vector<std::uint64_t> take_missing() { return std::exchange(missing_, {}); }

 private:
  void on(const gotrace_stack& stack);
  void on(const gotrace_birth& birth);
  void on(const EndEvent& end);
  void on(const gotrace_park& park);
  void on(const gotrace_refill& refill);
  void on(const gotrace_large& large);
  void on(const gotrace_allocation& allocation);
  StackId stack_of(const gotrace_event& event);
  void send_settled();
  void send_sample(const PendingSample& sample, const std::optional<FirstObject>& object);
  void look_at_slots(std::uint64_t now_ns, std::uint64_t age_ns);
  void follow_objects(std::uint64_t now_ns);
  [[nodiscard]] std::uint32_t class_of(std::uint64_t size) const;  // 0: large

  struct Window {
    std::uint64_t begin_ns = UINT64_MAX;
    std::uint64_t end_ns = 0;
    [[nodiscard]] bool holds(std::uint64_t time_ns) const { return time_ns >= begin_ns && time_ns < end_ns; }
  };

  goruntime::Symbolizer& symbolizer_;
  goruntime::ObjectLookup& objects_;
  RecordSink& sink_;
  std::vector<std::uint32_t> size_classes_;
  SpanLook spans_;
  Pairing pairing_;
  Fates fates_;
  std::unordered_map<std::uint64_t, StackId> stacks_;  // by hash
  struct Provided {                                    // how many objects the spans of a class had to give
    std::uint64_t spans = 0;
    std::uint64_t objects = 0;
  };
  std::unordered_map<std::uint8_t, Provided> provided_;  // by span class
  Window lifecycle_;
  std::vector<std::uint64_t> missing_;
  std::uint64_t next_id_ = 1;
  std::uint64_t followed_ns_ = 0;
  std::uint64_t malformed_ = 0;
  std::uint64_t unknown_stacks_ = 0;
};

}  // namespace gotrace::probe
