// StackPointers: what the stack of a parked goroutine leads to, frame by frame, as the garbage collector has it: only
// words that the function may still use. What earlier calls have left there does not count.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "goruntime/program.h"
#include "process/memory.h"

namespace gotrace::goruntime {

struct StackPointer {
  process::Address place = 0;  // of the word
  std::uint64_t value = 0;
  process::Address pc = 0;  // a return address into the function whose frame it is in
};

class StackPointers {
 public:
  // `program` must outlive it.
  explicit StackPointers(const Program& program) : program_(program) {}

  // Of a goroutine that waits, whose g struct and stack, from its saved stack pointer up, were copied. Valid until the
  // next call. nullopt: not known for all of its frames, so that each word may be in use.
  [[nodiscard]] std::optional<std::span<const StackPointer>> find(Bytes g, process::Address sp, Bytes stack);

 private:
  struct Frame {  // what holds for all frames that stopped at one place
    bool known = false;
    bool outermost = false;
    std::uint32_t delta = 0;  // from the stack pointer to the return address
    FrameMaps maps;
  };
  struct Object {
    process::Address begin = 0;
    std::uint32_t size = 0;
    process::Address pc = 0;
    bool visited = false;
  };
  const Frame& frame_at(process::Address pc);
  [[nodiscard]] std::optional<std::uint64_t> word(process::Address address) const;
  [[nodiscard]] bool take_word(process::Address address, process::Address pc);
  [[nodiscard]] bool take_words(process::Address begin, const std::vector<bool>& map, process::Address pc);
  [[nodiscard]] bool take_frame(const Frame& frame, process::Address sp, process::Address pc);
  [[nodiscard]] bool follow_objects();
  [[nodiscard]] bool is_plain(Bytes g) const;
  [[nodiscard]] bool parked(process::Address pc) const;

  const Program& program_;
  std::unordered_map<process::Address, Frame> frames_;
  // Of the goroutine that is looked at:
  process::Address begin_ = 0;
  Bytes stack_;
  std::vector<StackPointer> pointers_;
  std::vector<Object> objects_;
};

}  // namespace gotrace::goruntime
