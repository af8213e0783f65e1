// Retention: who holds the heap. An object is retained by what dominates it in the graph of all references: without
// that it would be garbage. Roots are packed together as people know them: the words of one package variable, the
// goroutines of one go statement. What several roots hold is retained by none of them, and told as shared.
//
// Goroutines that are proved to be stuck hold on to memory as others do. What is only in registers, among a processor's
// words (its timers are), in C's memory, or held by a finalizer counts where nothing else holds it: such words come and
// go, or are none.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "proof/goroutines.h"
#include "proof/heap_graph.h"
#include "proof/marker.h"
#include "proof/way.h"
#include "records/record.h"

namespace gotrace::proof {

constexpr std::uint64_t kMostObjects = 1ULL << 28;
constexpr std::uint64_t kMostReferences = 1ULL << 29;

struct RetentionWish {
  std::string why;  // an address or a type; empty: none
};

struct Retainer {
  RetainerKind kind = RetainerKind::variable;
  Address variable = 0;    // its first word
  Address created_pc = 0;  // goroutines, return address
  Address held_pc = 0;     // goroutines, likewise; 0: not known
  bool proved = false;
  std::uint64_t goroutines = 0;
  std::uint64_t goid = 0;
  Step object{};  // shared: the one that retains most
  bool pointers = true;
  std::uint64_t instances = 0;
  std::uint64_t bytes = 0;
  std::uint64_t objects = 0;
  Way way{};  // to where most of it spreads out; without steps: from its root on
};
struct RetainedType {
  Step object{};  // the one that retains most
  bool pointers = true;
  std::uint64_t instances = 0;
  std::uint64_t bytes = 0;
  std::uint64_t objects = 0;
  Way way{};
};
struct Retention {
  std::string off;
  std::uint64_t ns = 0;
  std::uint64_t bytes = 0;
  std::uint64_t objects = 0;
  std::uint64_t references = 0;
  std::vector<Retainer> retainers;  // largest first
  std::vector<RetainedType> types;  // likewise
  std::string why_not;
  std::vector<RetainedType> answers;  // to what was asked, each of one object; largest first
};

// Where the stack of a goroutine, an index, holds a pointer to an object: a return address of the frame's function; 0:
// not known.
using FrameOf = std::function<Address(std::uint32_t goroutine, ObjectRef object)>;

// REQUIRES that `marker` kept references. `live`: by goroutine, false where it is proved to be stuck.
[[nodiscard]] Retention find_retention(const Captured& captured, const HeapGraph& graph, const Marker& marker,
                                       const Goroutines& goroutines, const std::vector<bool>& live,
                                       const FrameOf& frame_of, const RetentionWish& wish);

}  // namespace gotrace::proof
