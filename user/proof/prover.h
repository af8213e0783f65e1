// Prover: which goroutines of a snapshot can never run again, because nothing that can still run leads to what they
// wait for.
//
// All that something outside the program may wake is a root, with its stack; so are package variables, what timers,
// finalizers, cleanups and weak pointers can bring back, and whatever the threads have in their hands. A parked
// goroutine whose awaited object is reached becomes a root itself, and so on until nothing changes. What is left is
// proved. What is not known for sure counts as reached.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "proof/capture.h"
#include "proof/goroutines.h"
#include "proof/heap_graph.h"
#include "proof/marker.h"
#include "proof/retention.h"
#include "proof/way.h"

namespace gotrace::proof {

struct ProvedGoroutine {
  std::uint64_t goid = 0;
  Address g = 0;
  std::uint64_t held_bytes = 0;  // of objects that only proved goroutines hold; each counted once
  std::uint32_t deadlock = 0;    // those that wait for each other have the same number; 0: none
};

// Goroutines of one go statement that wait alike and may be woken, and one way to what one of them waits for.
struct ReachedGroup {
  std::uint64_t goid = 0;
  std::uint64_t goroutines = 0;
  goruntime::WaitClass wait = goruntime::WaitClass::none;
  Way way;  // to what is waited for
};

struct Verdicts {
  std::string off;  // why nothing can be proved; empty: the rest is the answer
  std::uint64_t goroutines = 0;
  std::uint64_t candidates = 0;
  std::vector<ProvedGoroutine> proved;  // by rising id
  std::vector<ReachedGroup> reached;    // largest first
  std::uint64_t marked_objects = 0;     // reachable from what can still run
  std::uint64_t marked_bytes = 0;
  std::uint64_t scanned_bytes = 0;
  std::uint64_t heap_bytes = 0;  // spans in use
  std::uint64_t scannable_bytes = 0;
  std::uint64_t mark_ns = 0;           // all of this took so long, without the retention
  std::optional<Retention> retention;  // nullopt: not wished for, or nothing was concluded
};

// Why no goroutine of this program can be proved leaked, whatever its memory holds; empty: nothing is against it.
[[nodiscard]] std::string why_unprovable(const goruntime::Program& program);

// Is shown what can be reached, goroutines that are proved to be stuck and what they hold with it.
using ShowReached = std::function<void(goruntime::ObjectLookup& reached)>;

// `wish`: what is to be told of who holds the memory; nullptr: nothing, and `show` is not called.
[[nodiscard]] Verdicts prove(const Captured& captured, const RetentionWish* wish, const ShowReached& show);

}  // namespace gotrace::proof
