// The goroutines of a snapshot, and what each that is parked waits for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "goruntime/goroutine_reader_list.h"
#include "goruntime/wait_objects.h"
#include "proof/capture.h"
#include "proof/heap_graph.h"

namespace gotrace::proof {

struct Goroutine {
  Address g = 0;
  std::uint64_t goid = 0;
  GoStatus status = GoStatus::idle;
  goruntime::WaitClass wait = goruntime::WaitClass::none;
  Address created_pc = 0;
  Address stack_lo = 0;
  Address stack_hi = 0;
  Address scan_from = 0;   // what is in use of its stack
  bool is_main = false;    // runtime.main, which runs main.main: that it waits for ever is how many programs are built
  bool candidate = false;  // only another goroutine can end its wait, and all that it waits for is known
  std::uint32_t first_awaited = 0;
  std::uint32_t awaited = 0;
};

// What candidates wait for: a channel, the memory that a semaphore is in, an entry of a sync.Cond's list, what an
// iterator and its consumer switch by. Any of them being reachable means that the goroutine can be woken.
class Goroutines {
 public:
  // Error: something can't be read, so that nothing can be concluded.
  [[nodiscard]] static Result<Goroutines> read(const Captured& captured, const HeapGraph& graph);

  [[nodiscard]] const std::vector<Goroutine>& all() const { return all_; }  // that exist
  [[nodiscard]] std::vector<Goroutine>& all() { return all_; }
  [[nodiscard]] const std::vector<Address>& list() const { return list_; }  // of every g struct, those of dead ones too
  [[nodiscard]] std::span<const ObjectRef> awaited(const Goroutine& goroutine) const {
    return std::span(awaited_).subspan(goroutine.first_awaited, goroutine.awaited);
  }
  // Objects by which the runtime finds those who wait. A waiter is not reachable by them.
  [[nodiscard]] const std::vector<ObjectRef>& bookkeeping() const { return bookkeeping_; }
  // The sudogs of a candidate lead to it: the one who holds one is about to wake it. Addresses and indices into all().
  struct Sudog {
    Address address = 0;
    std::uint32_t goroutine = 0;
  };
  [[nodiscard]] const std::vector<Sudog>& sudogs() const { return sudogs_; }
  // Whose stack `address` lies in; nullopt: nobody's.
  [[nodiscard]] std::optional<std::uint32_t> by_stack(Address address) const;

 private:
  friend class GoroutinesReader;
  struct Stack {
    Address lo = 0;
    Address hi = 0;
    std::uint32_t goroutine = 0;
  };
  std::vector<Goroutine> all_;
  std::vector<Address> list_;
  std::vector<ObjectRef> awaited_;
  std::vector<ObjectRef> bookkeeping_;
  std::vector<Sudog> sudogs_;
  std::vector<Stack> stacks_;  // by rising address
};

}  // namespace gotrace::proof
