// UsedStackWords: whether a word on a goroutine's stack may still be used. Of one that is parked Go's own pointer maps
// tell; of all others each word may be.
#pragma once

#include <cstdint>
#include <vector>

#include "goruntime/program.h"
#include "goruntime/stack_pointers.h"

namespace gotrace::goruntime {

class UsedStackWords {
 public:
  // `program` must outlive it.
  explicit UsedStackWords(const Program& program) : program_(program), pointers_(program) {}

  // `g`: of the goroutine; `begin`: where its stack was in use from when it was read, as for the word at `place`. To be
  // asked for one stack after the other; after a thousand stacks each further word may be used.
  [[nodiscard]] bool may_be_used(process::Address g, process::Address begin, process::Address place);

 private:
  void look_at(process::Address g, process::Address begin);

  const Program& program_;
  StackPointers pointers_;
  process::Address g_ = 0;                // the last one that was asked for
  std::size_t looks_ = 0;                 // at stacks
  bool known_ = false;                    // which of its words are in use:
  std::vector<process::Address> in_use_;  // sorted
};

}  // namespace gotrace::goruntime
