// StackScan: what the stack of a parked goroutine leads to, frame by frame, as the garbage collector has it: only words
// that the function may still use. What earlier calls have left there does not count.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "goruntime/program.h"
#include "proof/goroutines.h"

namespace gotrace::proof {

class StackScan {
 public:
  // Both must outlive it.
  StackScan(const goruntime::Program& program, const process::Snapshot& snapshot)
      : program_(program), snapshot_(snapshot) {}

  // Words of its stack that are pointers in use. nullopt: not known for all of its frames, so that each word may be.
  [[nodiscard]] std::optional<std::vector<std::uint64_t>> pointers(const Goroutine& goroutine);
  // The frame, told by a return address of its function, that the last pointers() found a pointer of this index in.
  [[nodiscard]] Address frame_of(std::size_t pointer) const { return found_in_[pointer]; }

 private:
  struct Frame {  // what holds for all frames that stopped at one place
    bool known = false;
    bool outermost = false;
    std::uint32_t delta = 0;  // from the stack pointer to the return address
    goruntime::FrameMaps maps;
  };
  struct Object {
    Address begin = 0;
    std::uint32_t size = 0;
    Address pc = 0;
    bool visited = false;
  };
  const Frame& frame_at(Address pc);
  [[nodiscard]] std::optional<Address> word(Address address) const;
  [[nodiscard]] bool take_word(Address address, Address pc);
  [[nodiscard]] bool take_words(Address begin, const std::vector<bool>& map, Address pc);
  [[nodiscard]] bool take_frame(const Frame& frame, Address sp, Address pc);
  [[nodiscard]] bool follow_objects();
  [[nodiscard]] bool is_plain(Address g) const;
  [[nodiscard]] bool parked(Address pc) const;

  const goruntime::Program& program_;
  const process::Snapshot& snapshot_;
  std::unordered_map<Address, Frame> frames_;
  // Of the goroutine that is looked at:
  Address begin_ = 0;
  Address end_ = 0;
  Bytes stack_;
  std::vector<std::uint64_t> pointers_;
  std::vector<Address> found_in_;  // by pointer
  std::vector<Object> objects_;
};

}  // namespace gotrace::proof
