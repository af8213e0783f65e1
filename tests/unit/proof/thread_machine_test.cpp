#include "proof/thread_machine.h"

#include <catch2/catch.hpp>
#include <map>

namespace gotrace::proof {
namespace {

constexpr Address kThread = 0x1000, kG = 0x2000, kG0 = 0x3000, kSignal = 0x4000, kM = 0x5000;

// A thread that runs a goroutine.
class Thread {
 public:
  Thread() {
    bool exact = false;
    layout_ = &goruntime::layout_for(24, exact);
    words[kThread - 8] = kG;
    words[kG + layout_->g.m.offset] = kM;
    words[kM + layout_->m.g0.offset] = kG0;
    words[kM + layout_->m.gsignal.offset] = kSignal;
    words[kM + layout_->m.curg.offset] = kG;
    words[kG0 + layout_->g.stack_lo.offset] = 0x10000;
    words[kG0 + layout_->g.stack_hi.offset] = 0x20000;
  }
  [[nodiscard]] std::optional<ThreadMachine> machine() const {
    return machine_of(*layout_, kThread, [this](Address address) {
      const auto found = words.find(address);
      return found == words.end() ? std::nullopt : std::optional(found->second);
    });
  }
  [[nodiscard]] const goruntime::Layout& layout() const { return *layout_; }
  std::map<Address, Address> words;

 private:
  const goruntime::Layout* layout_ = nullptr;
};

}  // namespace

TEST_CASE("a thread leads to its scheduler's stack") {
  const Thread thread;
  const auto machine = thread.machine();
  REQUIRE(machine);
  CHECK(machine->scheduler.contains(0x10000));
  CHECK_FALSE(machine->scheduler.contains(0x20000));
  CHECK_FALSE(machine->signal.known());  // it has none yet
}

TEST_CASE("a thread that is just being cloned is nobody's") {
  Thread no_storage;
  no_storage.words.erase(kThread - 8);
  CHECK_FALSE(no_storage.machine());
  Thread no_goroutine;
  no_goroutine.words[kThread - 8] = 0;
  CHECK_FALSE(no_goroutine.machine());
  Thread another;  // its g is none of those that its m has
  another.words[kM + another.layout().m.curg.offset] = 0;
  CHECK_FALSE(another.machine());
}

}  // namespace gotrace::proof
