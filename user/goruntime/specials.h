// Specials: what the runtime notes of single heap objects beside them (runtime/mheap.go): finalizers, cleanups, handles
// of weak pointers. They hold pointers that the object's own memory does not.
#pragma once

#include <array>
#include <cstdint>
#include <functional>

#include "goruntime/object_lookup.h"
#include "goruntime/program.h"

namespace gotrace::goruntime {

struct Special {
  enum class Kind : std::uint8_t {
    other,        // holds no pointer to an object
    finalizer,    // held[0]: the function; what the object points to is kept as well
    cleanup,      // held: the function and its argument
    weak_handle,  // held[0]: the handle that weak pointers to this object refer to
  };
  Kind kind = Kind::other;
  process::Address object = 0;             // its base
  std::array<process::Address, 3> held{};  // 0: none
};

// The version's numbers of the kinds are known: runtime/mheap.go, _KindSpecialFinalizer and following, Go 1.15 to 1.27.
[[nodiscard]] bool special_kinds_known(int minor);

// All specials of the span. False: they can't be read, or are no list of specials.
[[nodiscard]] bool for_each_special(const Program& program, const SpanView& span,
                                    const std::function<void(const Special&)>& visit);

// The functions in queues of finalizers and cleanups that wait for their goroutine, and what they will be called with:
// the words of all blocks (runtime/mfinal.go, finblock; mcleanup.go, cleanupBlock), used or not. False: they can't be
// read.
[[nodiscard]] bool for_each_queued_word(const Program& program, const std::function<void(std::uint64_t word)>& visit);

}  // namespace gotrace::goruntime
