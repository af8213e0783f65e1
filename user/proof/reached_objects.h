// ReachedObjects: the objects of a capture that can be reached, as those see them who look for objects that are in use.
#pragma once

#include <cstdint>
#include <optional>

#include "goruntime/readers.h"
#include "proof/heap_graph.h"
#include "proof/marker.h"

namespace gotrace::proof {

class ReachedObjects final : public goruntime::ObjectLookup {
 public:
  // All must outlive it. `sweepgen`: of the heap.
  ReachedObjects(const HeapGraph& graph, const Marker& marker, std::uint32_t sweepgen)
      : graph_(graph), marker_(marker), sweepgen_(sweepgen) {}

  [[nodiscard]] bool available() const override { return true; }
  // What is reached is told as if the next GC had been, which would leave it; `allocated` is false of all else. The
  // span's class and sweepgen are not told.
  [[nodiscard]] std::optional<Object> find(Address address) override;
  [[nodiscard]] std::optional<std::uint32_t> heap_sweepgen() override { return sweepgen_; }

 private:
  const HeapGraph& graph_;
  const Marker& marker_;
  std::uint32_t sweepgen_;
};

}  // namespace gotrace::proof
