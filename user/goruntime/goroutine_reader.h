// All goroutines at one look, without stopping the program. What did not run since the last look is not read again
// beyond its g struct.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "goruntime/goroutine_places.h"
#include "goruntime/goroutine_reader_batch.h"
#include "goruntime/goroutine_reader_list.h"
#include "goruntime/readers.h"
#include "goruntime/stack_unwinder.h"
#include "goruntime/wait_objects.h"
#include "process/memory_presence.h"

namespace gotrace::goruntime {

class GoroutineReader final : public Reader {
 public:
  GoroutineReader(const Program& program, Symbolizer& symbolizer, RecordSink& sink);
  Look look(std::uint64_t now_ns) override;

 private:
  struct Job {  // a goroutine whose stack is to be read
    Place* place = nullptr;
    process::Address g = 0;
    GView view{};
    bool absent = false;          // its stack is not in memory, and fetching it could hurt
    bool changed = false;         // while its stack was read
    bool complete = false;        // the program counters reach the outermost function
    bool truncated = false;       // there are more of them
    bool first_is_exact = false;  // as UnwoundStack has it
    bool settled = true;          // what is known of it was read while it stood still
    std::uint32_t first_pc = 0;   // its program counters, in pcs_
    std::uint32_t pc_count = 0;
    std::uint32_t stack_at = 0;  // the top of its stack, in stack_tops_, when that is to be searched
    std::uint32_t stack_bytes = 0;
    WaitQuery wait{};
  };
  struct Origin {  // what the program counters of a go statement and of a start function say
    process::Address created_pc = 0;
    process::Address start_pc = 0;
    LocationId created_at = LocationId::none;
    LocationId start = LocationId::none;
    bool system = false;
  };
  struct Count {  // a cumulative loss
    const char* cause;
    std::uint64_t count = 0;
    std::uint64_t sent = 0;
  };

  void send_source(const char* name, const std::string& failure);
  void validate();
  [[nodiscard]] std::vector<process::Address> sample() const;
  [[nodiscard]] std::string validate_list() const;
  [[nodiscard]] std::string validate_stacks();
  [[nodiscard]] std::string validate_wait_objects();
  bool refresh_list();
  void look_at_memory();
  void scan();
  void visit(process::Address g, Place& place, const GView& view);
  [[nodiscard]] bool still_parked(const Place& place, const GView& view) const;
  void note_gone(std::uint64_t goid);
  void note_seen(const GView& view);
  void send_gone();
  void send_seen();
  void settle();
  void read_stacks(std::span<Job*> jobs);
  void unwind(Job& job, Bytes stack);
  void keep_stack_top(Job& job, Bytes stack);
  [[nodiscard]] WaitClass wait_class(const GView& view) const;
  void read_wait_objects(std::span<Job*> jobs);
  std::vector<Job*> recheck(std::span<Job*> jobs);
  void give_up(Job& job);
  void finish(const Job& job);
  [[nodiscard]] std::span<const process::Address> pcs_of(const Job& job) const;
  [[nodiscard]] StackId intern(const Job& job);
  [[nodiscard]] const Origin& origin(const GView& view);
  [[nodiscard]] bool is_system(process::Address start_pc);
  [[nodiscard]] std::uint64_t newest_goid() const;
  void send_losses();
  void close_look(std::uint64_t started_ns);

  struct KnownStack {
    std::vector<process::Address> pcs;
    bool first_is_exact = false;
    bool truncated = false;
    StackId id = StackId::none;
    [[nodiscard]] bool is_of(const Job& job, std::span<const process::Address> job_pcs) const;
  };

  const Program& program_;
  Symbolizer& symbolizer_;
  RecordSink& sink_;
  process::RemoteMemory& memory_;
  GLayout layout_;
  StackUnwinder unwinder_;
  WaitObjects wait_objects_;
  std::vector<WaitClass> wait_classes_;  // index = g.waitreason
  bool usable_ = false;
  bool stacks_usable_ = false;
  bool wait_objects_usable_ = false;
  std::uint64_t now_ns_ = 0;
  std::uint32_t sequence_ = 0;
  std::optional<process::PresentPages> present_;  // set while memory is short
  GoroutinePlaces places_;
  std::uint64_t listed_ = 0;  // entries of allgs that are in places_
  // A batch at a time:
  std::vector<Job> jobs_;
  std::vector<process::Address> pcs_;
  std::vector<std::byte> stack_tops_;
  ReadBuffer buffer_;
  UnwoundStack unwound_stack_{};
  // Used again and again, so that no goroutine costs an allocation:
  Record state_ = GoroutineState{};
  Record seen_ = GoroutinesSeen{};
  Record gone_ = GoroutinesGone{};
  std::unordered_map<std::uint64_t, std::vector<KnownStack>> stacks_;  // by hash of the program counters
  KnownStack latest_stack_;                                            // neighbours often have the same
  Origin latest_origin_;
  std::unordered_map<process::Address, bool> system_starts_;
  std::uint64_t alive_ = 0;
  std::uint64_t largest_goid_ = 0;
  std::uint64_t unwound_ = 0;
  std::uint64_t torn_in_look_ = 0;
  std::uint64_t unreadable_in_look_ = 0;
  Count torn_stacks_{"torn_stacks"};
  Count torn_goroutines_{"torn_goroutines"};
  Count unreadable_{"unreadable_goroutines"};
  Count truncated_stacks_{"truncated_stacks"};
  Count absent_stacks_{"absent_stacks"};
};

}  // namespace gotrace::goruntime
