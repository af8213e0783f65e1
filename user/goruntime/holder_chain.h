// What keeps an object: from who refers to it up to a package variable or a goroutine's stack, some steps far. One
// search of the memory a step.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "goruntime/pointer_maps.h"
#include "goruntime/reference_search.h"

namespace gotrace::goruntime {

struct Holder {
  enum class Kind : std::uint8_t { object, variable, stack } kind = Kind::object;
  process::Address address = 0;  // of the object, the variable's word, or the stack
  std::uint64_t size = 0;        // of an object
  process::Address type = 0;     // of an object or its elements, where known
};

struct HolderChain {
  std::vector<Holder> holders;  // the innermost first
  [[nodiscard]] bool rooted() const { return !holders.empty() && holders.back().kind != Holder::Kind::object; }
};

class HolderSearch {
 public:
  static constexpr std::size_t kMostSteps = 6;

  // Extends each chain from its last holder. All must outlive it; `spans` and `regions` are of the search before.
  HolderSearch(const Program& program, PointerMaps& maps, const HeapSpans& spans,
               const std::vector<SearchRegion>& regions, std::vector<HolderChain>& chains);

  // As ReferenceSearch::step, over all that may hold pointers, again for each step of the chains. False: all is done.
  bool step(std::uint64_t bytes);

 private:
  void begin_round();
  void end_round();
  void visit(const Reference& reference);
  [[nodiscard]] bool is_pointer(const Reference& reference, Holder& holder);
  [[nodiscard]] static bool contains(const HolderChain& chain, process::Address object);

  PointerMaps& maps_;
  process::RemoteMemory& memory_;
  const HeapSpans& spans_;
  const std::vector<SearchRegion>& regions_;
  std::vector<HolderChain>& chains_;
  std::unique_ptr<SearchTargets> targets_;
  std::unique_ptr<ReferenceSearch> search_;
  std::vector<std::vector<std::size_t>> by_target_;  // chains whose last holder a target is
  std::vector<Holder> next_;                         // of each chain, found in this round; address 0: none yet
  std::size_t round_ = 0;
  bool done_ = false;
};

}  // namespace gotrace::goruntime
