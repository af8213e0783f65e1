// The return addresses on the stack of a goroutine that does not run, from a copy of the top of it.
//
// Frames are found by the pcsp tables, which are exact wherever Go's own traceback is; where a table says nothing the
// frame pointer leads on. Each return address must lie in a known function.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>

#include "base/byte_reader.h"
#include "goruntime/program.h"
#include "process/memory.h"

namespace gotrace::goruntime {

// The part of a stack that was copied; words above it are read one by one.
class StackWindow {
 public:
  // `bytes`: the stack from `begin` up. `end`: stack.hi; nothing is read at or above it. `memory` may be nullptr.
  StackWindow(process::Address begin, Bytes bytes, process::Address end, process::RemoteMemory* memory)
      : begin_(begin), bytes_(bytes), end_(end), memory_(memory) {}
  [[nodiscard]] std::optional<std::uint64_t> word(process::Address address) const;

 private:
  process::Address begin_;
  Bytes bytes_;
  process::Address end_;
  process::RemoteMemory* memory_;
};

constexpr std::size_t kMostFrames = 128;

struct UnwoundStack {
  std::array<process::Address, kMostFrames> pcs;   // innermost first; only [0, count) are set
  std::array<process::Address, kMostFrames> ends;  // of each: the address behind its frame; 0: not known
  std::size_t count = 0;
  bool first_is_exact = false;  // pcs[0] is the entry of a function that has not begun to run
  bool truncated = false;       // there are more than kMostFrames
  [[nodiscard]] std::span<const process::Address> addresses() const { return std::span(pcs).first(count); }
};

class StackUnwinder {
 public:
  // `program` must outlive the unwinder.
  explicit StackUnwinder(const Program& program) : program_(program) {}

  // False when the chain breaks: a return address in no function, a slot outside the stack. `into` then holds the
  // frames up to there. All addresses are run-time ones; `bp` may be 0.
  [[nodiscard]] bool unwind(process::Address pc, process::Address sp, process::Address bp, const StackWindow& window,
                            UnwoundStack& into);

 private:
  struct Facts {  // of one program counter
    bool known = false;
    bool is_entry = false;
    bool hidden = false;     // a wrapper that Go's own traces leave out
    bool outermost = false;  // runtime.goexit and its like: nothing called it
    std::optional<std::int32_t> delta;
  };
  struct Recent {  // goroutines of one program stand at few places
    process::Address pc = 0;
    const Facts* facts = nullptr;
  };
  const Facts& facts(process::Address pc, bool innermost);
  const Facts& look_up(process::Address pc, bool innermost);

  [[nodiscard]] bool is_wrapper(const FunctionRange& function, std::uint64_t pc) const;

  const Program& program_;
  std::unordered_map<process::Address, Facts> return_addresses_;
  std::unordered_map<process::Address, Facts> innermost_;
  std::array<std::array<Recent, 256>, 2> recent_{};  // by program counter; [1]: innermost
};

}  // namespace gotrace::goruntime
