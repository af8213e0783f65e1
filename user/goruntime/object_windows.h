// How much of a heap object is used by the headers of strings and slices that refer to it. Pure arithmetic, and
// careful: where it is open how large the elements are, or whether a slice will be appended to again, the larger part
// counts as used.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace gotrace::goruntime {

struct Window {                // what one header refers to
  std::uint64_t offset = 0;    // of its pointer in the object, bytes
  std::uint64_t length = 0;    // elements
  std::uint64_t capacity = 0;  // elements; 0: there is none
  bool slice = false;          // else a string; one with a number behind it has a "capacity", too, to be careful
};

// Made of a pointer and the two words behind it; nullopt: no header that fits into what lies behind `offset`. The words
// are nullopt where they are pointers themselves, or lie outside of what holds the header. `strings`: the object may
// hold the bytes of one, which have no pointers.
[[nodiscard]] std::optional<Window> read_window(std::uint64_t object_size, std::uint64_t offset,
                                                std::optional<std::uint64_t> second, std::optional<std::uint64_t> third,
                                                bool strings);

enum class ObjectUse : std::uint8_t {
  whole,  // or not known to be less
  part,   // the rest can't be reached by anyone
  spare,  // the rest is free capacity of a slice: wasted if nothing is ever appended to it
};
struct UsedPart {
  ObjectUse use = ObjectUse::whole;
  std::uint64_t bytes = 0;  // used at most (of `spare`: the lengths)
};

// Of an object without pointers, by all headers that refer to it. Less than an eighth must be used to be a `part`.
[[nodiscard]] UsedPart used_part(std::uint64_t object_size, std::span<const Window> windows);

// Bytes of one element of the array that a slice of pointers' elements refers to, where no type says it: the largest
// size that fits. A multiple of 8.
[[nodiscard]] std::uint64_t largest_element(std::uint64_t object_size, const Window& window);

}  // namespace gotrace::goruntime
