// What the searches for retained memory have found so far, and whether the next one finds it again.
#pragma once

#include <compare>
#include <cstdint>

#include "goruntime/retention_pass.h"
#include "records/record.h"

namespace gotrace::goruntime {

struct Suspect {
  PartlyUsed found;
  std::uint32_t searches = 0;    // in a row that found it the same
  std::uint32_t generation = 0;  // the heap's sweepgen when it was first found
  bool missed = false;           // the last one saw no reference to it: its header was being moved, or it is garbage
  bool marked = false;           // outlived some GC
  bool survived = false;         // a GC since it was found: somebody holds it
  bool specials_read = false;
  std::uint64_t exclusive = 0, of = 0;  // of what an array's unused pointers point to: has no other reference
  bool unfit = false;                   // a finalizer or the like refers to it, or its strings are none: not judged
  StackId allocated_at = StackId::none;
};

// What objects have in common that are kept alike.
struct Likeness {
  RetentionKind kind = RetentionKind::substring;
  bool spare = false;
  process::Address variable = 0;  // whose word refers to them; 0: an object does
  std::uint64_t container_size = 0;
  process::Address container_type = 0;
  friend auto operator<=>(const Likeness&, const Likeness&) = default;
};
[[nodiscard]] Likeness likeness_of(const PartlyUsed& found);

// The same object, used in the same part as before, or in more parts, too: more may be cut from it.
[[nodiscard]] bool found_again(const PartlyUsed& before, const PartlyUsed& now);

}  // namespace gotrace::goruntime
