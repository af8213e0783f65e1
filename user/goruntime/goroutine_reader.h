// All goroutines at one look, without stopping the program. What did not run since the last look is not read again
// beyond its g struct.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

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
  struct Slot {  // one entry of allgs, and what was sent of it
    process::Address pc = 0;
    std::uint64_t depth = 0;
    std::uint8_t tracking = 0;
    bool settled = false;    // its stack and wait objects were read without contradiction
    GoroutineState state{};  // goid 0: nothing is there
  };
  struct Job {  // a goroutine whose stack is to be read
    std::uint32_t slot = 0;
    GView view{};
    bool absent = false;   // its stack is not in memory, and fetching it could hurt
    bool changed = false;  // while its stack was read
    std::vector<std::byte> stack{};
    UnwoundStack unwound{};
    bool complete = false;  // `unwound` reaches the outermost function
    WaitQuery wait{};
  };
  struct Count {  // a cumulative loss
    const char* cause;
    std::uint64_t count = 0;
    std::uint64_t sent = 0;
  };

  void send_source(const char* name, const std::string& failure);
  void validate();
  [[nodiscard]] std::string validate_list() const;
  [[nodiscard]] std::string validate_stacks();
  [[nodiscard]] std::string validate_wait_objects();
  bool refresh_list();
  void look_at_memory();
  void scan();
  void visit(std::uint32_t slot, const GView& view);
  [[nodiscard]] bool still_parked(const Slot& slot, const GView& view) const;
  void settle();
  void read_stacks(std::span<Job*> jobs);
  void unwind(Job& job);
  void read_wait_objects(std::span<Job*> jobs);
  std::vector<Job*> recheck(std::span<Job*> jobs);
  void give_up(Job& job);
  void finish(Job& job, bool settled);
  [[nodiscard]] StackId intern(const UnwoundStack& stack);
  [[nodiscard]] bool is_system(process::Address start_pc);
  [[nodiscard]] std::uint64_t newest_goid() const;
  void send_losses();
  void close_look(std::uint64_t started_ns);

  struct KnownStack {
    std::vector<process::Address> pcs;
    bool first_is_exact = false;
    bool truncated = false;
    StackId id = StackId::none;
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
  ReadPlan plan_;
  std::vector<Slot> slots_;
  std::vector<Job> jobs_;  // a batch at a time
  std::vector<std::uint64_t> gone_;
  std::unordered_map<std::uint64_t, std::vector<KnownStack>> stacks_;  // by hash of the program counters
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
