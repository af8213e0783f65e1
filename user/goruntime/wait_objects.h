// What parked goroutines wait on: channels by the goroutine's list of sudogs, semaphores (mutexes, wait groups) by the
// sudog that its stack points to. Read for many goroutines at once.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/byte_reader.h"
#include "goruntime/goroutine_reader_batch.h"
#include "goruntime/program.h"
#include "records/record.h"

namespace gotrace::goruntime {

enum class WaitClass : std::uint8_t { none, receive, send, select, nil_channel, semaphore, condition, coroutine };

// By the runtime's own name of the wait reason ("chan receive (nil chan)"); none for what no goroutine ends (IO,
// sleep).
[[nodiscard]] WaitClass classify_wait(std::string_view reason);

struct WaitQuery {
  process::Address g = 0;
  process::Address waiting = 0;  // g.waiting, the first sudog
  WaitClass wait = WaitClass::none;
  Bytes stack{};                     // from the saved stack pointer up
  process::Address stack_begin = 0;  // stack.lo
  process::Address stack_end = 0;    // stack.hi
  // Answers:
  WaitObjectList objects{};
  std::uint32_t count = 0;  // of all objects
  bool torn = false;        // what was read contradicts itself: the goroutine went on meanwhile

  void forget() {  // the answers
    objects.clear();
    count = 0;
    torn = false;
  }
};

constexpr std::size_t kSemaphoreStackBytes = 1024;  // of WaitQuery::stack that are looked at

class WaitObjects {
 public:
  // `program` must outlive this.
  explicit WaitObjects(const Program& program);

  // Empty: usable; else why not.
  [[nodiscard]] std::string why_unusable() const;
  // Forgets what is only true for one look: which channels timers send to.
  void begin_look() { timers_known_ = false; }
  void read(std::span<WaitQuery* const> queries);

 private:
  struct Link {  // one sudog to be read
    std::uint32_t query = 0;
    process::Address sudog = 0;
  };
  using Queries = std::span<WaitQuery* const>;
  void walk_channels(Queries queries);
  std::vector<Link> follow(Queries queries, const std::vector<Link>& links, std::uint32_t depth);
  void describe_channels(Queries queries);
  void describe(WaitObject& object, WaitClass wait, Bytes channel) const;
  void find_semaphores(Queries queries);
  [[nodiscard]] bool may_be_sudog(const WaitQuery& query, std::uint64_t word) const;
  void read_timer_channels();
  [[nodiscard]] std::vector<process::Address> timer_addresses() const;

  const Program& program_;
  const Layout& layout_;
  process::RemoteMemory& memory_;
  std::uint32_t element_offset_ = 0;  // of the plain address in sudog.elem
  std::uint32_t channel_offset_ = 0;  // and in sudog.c
  std::vector<DataRange> data_;       // run-time
  bool timers_known_ = false;
  std::unordered_set<process::Address> timer_channels_;
  ReadBuffer buffer_;
};

}  // namespace gotrace::goruntime
