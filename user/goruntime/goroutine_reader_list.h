// runtime.allgs and the g structs it points to: where they are, and what is read of each.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/byte_reader.h"
#include "goruntime/program.h"
#include "records/record.h"

namespace gotrace::goruntime {

struct GView {  // one g, as its bytes have it
  std::uint64_t goid = 0;
  std::uint64_t parent = 0;
  std::uint64_t wait_since = 0;
  process::Address created_pc = 0;  // a return address
  process::Address start_pc = 0;
  process::Address pc = 0;  // where it will go on; of a goroutine in a system call: where it entered it
  process::Address sp = 0;
  process::Address bp = 0;  // 0: not known
  process::Address stack_lo = 0;
  process::Address stack_hi = 0;
  process::Address waiting = 0;
  GoStatus status = GoStatus::dead;
  std::uint8_t wait_reason = 0;
  std::uint8_t tracking = 0;  // g.trackingSeq; 0 where there is none

  [[nodiscard]] bool exists() const {
    return status != GoStatus::dead && status != GoStatus::idle && status != GoStatus::dead_extra && goid != 0;
  }
  // Its stack lies still and its saved registers are true.
  [[nodiscard]] bool has_still_stack() const;
  // Bytes in use; does not change when the stack is moved.
  [[nodiscard]] std::uint64_t depth() const { return stack_hi - sp; }
};

class GLayout {
 public:
  explicit GLayout(const Layout& layout) : layout_(layout) {}
  // Empty: all fields that are needed are known.
  [[nodiscard]] std::string why_unusable() const;
  [[nodiscard]] GView decode(Bytes g) const;
  // Whether `g` at `address` is a g struct at all: live ones point to themselves (g.sched.g).
  [[nodiscard]] bool plausible(process::Address address, Bytes g) const;
  [[nodiscard]] std::uint32_t size() const { return layout_.g.size; }
  [[nodiscard]] bool has_tracking() const { return layout_.g.trackingSeq.present(); }

 private:
  const Layout& layout_;
};

// Some of allgs: entries [first, first + count), and how many there are. nullopt when they could not be read
// consistently. `count` is cut to what there is.
struct AllgsPart {
  std::vector<process::Address> addresses;
  std::uint64_t length = 0;
};
[[nodiscard]] std::optional<AllgsPart> read_allgs(const Program& program, std::uint64_t first, std::uint64_t count);

// The addresses in allgs; nullopt when they could not be read consistently. It only ever grows, but its array moves
// when it does: the slice is read before and after.
[[nodiscard]] std::optional<std::vector<process::Address>> read_allgs(const Program& program);

// CLOCK_MONOTONIC.
[[nodiscard]] std::uint64_t monotonic_ns();
[[nodiscard]] std::uint64_t thread_cpu_ns();  // CLOCK_THREAD_CPUTIME_ID

}  // namespace gotrace::goruntime
