// Marker: which objects can be reached from what it is given, as the garbage collector marks, and how: one of the
// shortest ways to each. One thread.
//
// What costs time is memory that answers late: each address leads to a span, that to the note of whether the object is
// marked already, and that, later, to its words. So addresses are taken in batches, step by step, and what the next
// step of each needs is fetched meanwhile. Their order stays: what is found first is marked first.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/large_array.h"
#include "proof/heap_graph.h"
#include "proof/references.h"

namespace gotrace::proof {

// Where a way to objects begins.
struct Origin {
  enum class Kind : std::uint8_t {
    none,       // the runtime's own bookkeeping
    variable,   // at `address`
    timer,      // or what else a processor has
    finalizer,  // or a cleanup
    foreign,    // memory of C
    thread,     // registers, and stacks of the scheduler
    goroutine,  // on the stack of goroutine `address` (an id)
  } kind = Kind::none;
  Address address = 0;
  friend bool operator==(const Origin&, const Origin&) = default;
};

class Marker {
 public:
  explicit Marker(HeapGraph& graph);

  // Where what is marked directly comes from, until the next call.
  void from(Origin origin) { origin_ = origin; }

  // The object that `word` points into, if it does, is reachable; so will be what it leads to, at the next drain().
  void mark(std::uint64_t word) {
    if (const auto object = graph_.find(word)) mark(*object);
  }
  void mark(ObjectRef object) { mark(object, graph_.number(object), origin()); }
  void mark_all(Bytes words);
  // What the object points to is reachable, whether or not the object is.
  void mark_contents(ObjectRef object);
  // Counts as reachable from now on, but what it points to does not: the runtime's own bookkeeping.
  void set_aside(ObjectRef object);
  void drain();

  [[nodiscard]] bool marked(ObjectRef object) const { return order_of(object) != kNone; }
  // Marked objects are counted in the order in which they were marked, from 0. kNone: it is not.
  static constexpr std::uint32_t kNone = References::kNone;
  [[nodiscard]] std::uint32_t order_of(ObjectRef object) const { return order_of(graph_.number(object)); }
  [[nodiscard]] std::uint32_t order_of(std::uint32_t number) const {
    return orders_[number] == kWatched ? kNone : orders_[number] - 1;
  }
  [[nodiscard]] ObjectRef object(std::uint32_t order) const {
    return {objects_[order].span, objects_[order].slot & ~kLeadsNowhere};
  }

  // The objects on a way to `object` from its origin, `object` itself first.
  struct Path {
    Origin origin;
    std::vector<ObjectRef> objects;
  };
  [[nodiscard]] Path path_to(ObjectRef object, std::size_t most) const;

  // From now on notes what leads to what, `most` references at most, by the order of objects. `expected`: there are no
  // more words that may be pointers. Must be called before anything is marked.
  void keep_references(std::uint64_t expected, std::uint64_t most);
  // nullptr: not noted. Whole after a drain().
  [[nodiscard]] const References* references() const { return references_.get(); }
  [[nodiscard]] const std::vector<Origin>& origins() const { return origins_; }  // by index

  // take_hits() tells when a watched object is marked; not of one that is marked already.
  void watch(ObjectRef object);
  [[nodiscard]] std::vector<std::uint32_t> take_hits() { return std::exchange(hits_, {}); }  // numbers of objects

  [[nodiscard]] std::uint32_t objects() const { return static_cast<std::uint32_t>(objects_.size()); }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  [[nodiscard]] std::uint64_t scanned_bytes() const { return scanned_; }

 private:
  // Who led to an object: the order of another one, or kOrigin and the index of an origin.
  static constexpr std::uint32_t kOrigin = 0x80000000;
  static constexpr std::uint32_t kUnknown = 0xffffffff;
  static constexpr std::uint32_t kWatched = 0xffffffff;     // in orders_: when it is marked, that is to be told
  static constexpr std::uint32_t kLeadsNowhere = 1U << 31;  // in the slot of objects_
  struct Found {                                            // a word of an object
    std::uint64_t word = 0;
    std::uint32_t span = 0;
    std::uint32_t from = 0;  // the object's order
  };

  [[nodiscard]] std::uint32_t origin();
  void mark(ObjectRef object, std::uint32_t number, std::uint32_t leader);
  void add(ObjectRef object, std::uint32_t number, std::uint32_t leader, bool leads_on);
  void note(std::uint32_t leader, std::uint32_t order);
  void prefetch(std::uint32_t far, std::uint32_t near) const;
  void scan(ObjectRef object, std::uint32_t order);
  void mark_batch();

  HeapGraph& graph_;
  LargeArray<std::uint32_t> orders_;   // by number: 0: not marked; kWatched; or its order, plus 1
  LargeArray<ObjectRef> objects_;      // by order
  LargeArray<std::uint32_t> leaders_;  // by order
  std::uint32_t scanned_objects_ = 0;  // all before this order have been looked into: breadth first, so that the first
                                       // way that is found to an object is a shortest one
  std::array<Found, 128> batch_{};
  std::size_t batched_ = 0;
  std::vector<Origin> origins_;
  std::unique_ptr<References> references_;
  Origin origin_;
  std::vector<std::uint32_t> hits_;
  std::uint64_t bytes_ = 0, scanned_ = 0;
};

}  // namespace gotrace::proof
