// Marker: which objects can be reached from what it is given, as the garbage collector marks, and how: one of the
// shortest ways to each. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

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
  void mark(ObjectRef object);
  void mark_all(Bytes words);
  // What the object points to is reachable, whether or not the object is.
  void mark_contents(ObjectRef object);
  // Counts as reachable from now on, but what it points to does not: the runtime's own bookkeeping.
  void set_aside(ObjectRef object);
  void drain();

  [[nodiscard]] bool marked(ObjectRef object) const { return test(bits_, graph_.number(object)); }

  // The objects on a way to `object` from its origin, `object` itself first.
  struct Path {
    Origin origin;
    std::vector<ObjectRef> objects;
  };
  [[nodiscard]] Path path_to(ObjectRef object, std::size_t most) const;

  // From now on notes what leads to what, `most` references at most. Must be called before anything is marked.
  void keep_references(std::uint64_t expected, std::uint64_t most);
  // nullptr: not noted, or there are too many objects to tell.
  [[nodiscard]] const References* references() const { return references_.get(); }
  [[nodiscard]] const std::vector<Origin>& origins() const { return origins_; }  // by index

  // take_hits() tells when a watched object is marked.
  void watch(ObjectRef object) { set(watched_, graph_.number(object)); }
  [[nodiscard]] std::vector<std::uint64_t> take_hits() { return std::exchange(hits_, {}); }  // numbers of objects

  [[nodiscard]] std::uint64_t objects() const { return objects_; }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  [[nodiscard]] std::uint64_t scanned_bytes() const { return scanned_; }

 private:
  // Who led to an object: the number of another one, or kOrigin and the index of an origin.
  static constexpr std::uint32_t kOrigin = 0x80000000;
  static constexpr std::uint32_t kUnknown = 0xffffffff;
  using Bits = std::vector<std::uint64_t>;
  [[nodiscard]] static bool test(const Bits& bits, std::uint64_t index) {
    return ((bits[static_cast<std::size_t>(index / 64)] >> (index % 64)) & 1) != 0;
  }
  static void set(Bits& bits, std::uint64_t index) {
    bits[static_cast<std::size_t>(index / 64)] |= 1ULL << (index % 64);
  }

  [[nodiscard]] std::uint32_t leader();
  void note(std::uint64_t number);

  HeapGraph& graph_;
  Bits bits_, watched_;
  std::vector<std::uint32_t> leaders_;  // by object; empty: there are too many objects to tell
  std::vector<Origin> origins_;
  std::unique_ptr<References> references_;
  Origin origin_;
  std::uint32_t scanned_object_ = kUnknown;  // number of the object whose words are being marked
  std::vector<ObjectRef> pending_, next_;    // level by level: the first way that is found is a shortest one
  std::vector<std::uint64_t> hits_;
  std::uint64_t objects_ = 0, bytes_ = 0, scanned_ = 0;
};

}  // namespace gotrace::proof
