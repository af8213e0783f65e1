// Roots: marks what is reachable without any goroutine's help.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "goruntime/specials.h"
#include "proof/capture.h"
#include "proof/goroutines.h"
#include "proof/marker.h"

namespace gotrace::proof {

class Roots {
 public:
  // All must outlive it.
  Roots(const Captured& captured, const HeapGraph& graph, Marker& marker)
      : captured_(captured), graph_(graph), marker_(marker) {}

  // Each returns why nothing can be concluded; empty: done.
  [[nodiscard]] std::string set_aside_bookkeeping(const Goroutines& goroutines);
  [[nodiscard]] std::string mark_data();
  [[nodiscard]] std::string mark_processors();
  [[nodiscard]] std::string mark_specials();
  [[nodiscard]] std::string mark_queues();
  // C may hold the only pointer to an object: in a program with cgo all of its memory counts.
  [[nodiscard]] std::string mark_foreign();

  struct WeakHandle {
    ObjectRef handle;
    ObjectRef object;
  };
  [[nodiscard]] const std::vector<WeakHandle>& weak_handles() const { return weak_handles_; }

 private:
  [[nodiscard]] bool plausible_function(Address value) const;
  [[nodiscard]] bool take_special(const goruntime::Special& special);
  void mark_except(Address begin, Bytes words, const std::vector<process::MemoryRange>& left_out);
  [[nodiscard]] std::vector<process::MemoryRange> runtime_structures() const;

  const Captured& captured_;
  const HeapGraph& graph_;
  Marker& marker_;
  std::vector<WeakHandle> weak_handles_;
};

}  // namespace gotrace::proof
