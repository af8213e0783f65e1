// What is remembered of each entry of allgs from look to look, by address, so that a look reads neighbours together and
// sees who has not run since the last one. A program may have millions of goroutines: 20 bytes each.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "goruntime/goroutine_reader_batch.h"
#include "goruntime/goroutine_reader_list.h"
#include "process/memory.h"

namespace gotrace::goruntime {

// A goroutine as it was when its state was last sent. It went on since unless all of this is as before. Times and
// stops are kept as 32 bits of them: that another one looks the same (1 in 4e9) comes on top of g.trackingSeq, which
// itself counts modulo 256, having to agree.
class Place {
 public:
  Place() = default;
  explicit Place(std::uint16_t offset) : offset_(offset) {}

  [[nodiscard]] std::uint64_t goid() const { return std::uint64_t{goid_high_} << 32 | goid_low_; }  // 0: empty
  // What `view` says is all that is remembered from now on. `settled`: it was read while it stood still.
  void remember(const GView& view, bool settled);
  void forget();

  // Waits as it did, wherever its stack is by now. REQUIRES the same goid.
  [[nodiscard]] bool waits_as_before(const GView& view) const;
  [[nodiscard]] bool seen_by_gc() const { return wait_since_ != 0; }
  [[nodiscard]] bool same_wait_since(const GView& view) const;
  [[nodiscard]] bool same_tracking(const GView& view) const { return tracking_ == view.tracking; }
  [[nodiscard]] bool same_stack_size(const GView& view) const;
  void remember_gc(const GView& view);  // what the GC changes: waitsince and the stack's size

 private:
  friend class GoroutinePlaces;
  std::uint32_t goid_low_ = 0;
  std::uint32_t wait_since_ = 0;  // 0 stands for 0 only
  std::uint32_t stop_ = 0;        // of program counter and depth
  std::uint16_t goid_high_ = 0;
  std::uint16_t offset_ = 0;  // within its window, in words
  std::uint8_t tracking_ = 0;
  std::uint8_t wait_reason_ = 0;
  std::uint8_t stack_size_ = 0;  // log2; 0xff: no power of two, which no stack of Go's is
  bool settled_ = false;
};
static_assert(sizeof(Place) == 20);

// Ids are below this; larger ones are no goroutine's.
constexpr std::uint64_t kMostGoids = 1ULL << 48;

class GoroutinePlaces {
 public:
  // Addresses that are there already or can't be those of a g are left out.
  void add(std::vector<process::Address> addresses);
  [[nodiscard]] std::size_t size() const { return size_; }
  void clear();

  // Reads `bytes` of each and visits what could be read, by rising address. The arguments are valid during the call
  // only, but for the place, which stays where it is until the next add(). Returns how many were visited.
  using Visit = std::function<void(process::Address address, Place& place, Bytes g)>;
  std::size_t read_all(process::RemoteMemory& memory, std::uint32_t bytes, const Visit& visit);
  void for_each(const std::function<void(Place& place)>& visit);

  [[nodiscard]] std::size_t bytes() const;  // what all of it takes; for tests

 private:
  struct Window {  // a piece of the address space that may hold places
    process::Address begin = 0;
    std::vector<Place> places;  // by address
  };
  [[nodiscard]] Window& window_at(process::Address begin);

  std::vector<Window> windows_;  // by address
  std::size_t size_ = 0;
  ReadBuffer buffer_;
};

}  // namespace gotrace::goruntime
