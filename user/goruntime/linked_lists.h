// Lists of small heap objects: each node points to the next one by a pointer at the same place. Found and followed
// from outside while the process runs: what is read is a suspicion, to be read again.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "goruntime/heap_spans.h"
#include "goruntime/pointer_maps.h"

namespace gotrace::goruntime {

struct LinkedList {
  process::Address first = 0;              // node
  process::Address second = 0;             // node, when the list was found
  std::uint64_t node_size = 0;             // bytes
  std::uint64_t next_at = 0;               // where in a node the pointer to the next one is
  std::uint64_t nodes = 0;                 // seen so far
  process::Address last = 0;               // the last one seen
  bool ended = false;                      // it is the last one of the list
  bool linked_back = false;                // the second node points to the first
  std::uint64_t stride = 1;                // of the sample
  std::vector<process::Address> sample{};  // every stride-th node, the first one too
};

class ListWalker {
 public:
  static constexpr std::uint64_t kLargestNode = 512;  // bytes; larger ones have no pointer map of their own
  static constexpr std::size_t kMostSample = 32;

  // All must outlive it. What is read is kept for as long as it lives: make a new one for a new look.
  ListWalker(process::RemoteMemory& memory, const HeapSpans& spans, PointerMaps& maps);

  // The list whose first node `object` is, or points to, the longest one if there are several; nullopt: none of so
  // many nodes. `object`: the start of one.
  [[nodiscard]] std::optional<LinkedList> find(process::Address object, std::uint64_t least_nodes);
  // Goes on from the last node seen, over at most `most` more. False: the list is not what it was, or has no end.
  bool extend(LinkedList& list, std::uint64_t most);
  // Start and size of the small object with pointers that `address` lies in; nullopt: none.
  struct SmallObject {
    process::Address base = 0;
    std::uint64_t size = 0;
  };
  [[nodiscard]] std::optional<SmallObject> object_at(process::Address address);
  // The word there; 0 where it can't be read.
  [[nodiscard]] std::uint64_t word(process::Address address);

 private:
  struct Page {
    process::Address begin = 0;  // 0: none
    bool readable = false;
    std::uint64_t order = 0;  // of its reading
    std::array<std::byte, 4096> bytes;
  };
  Page& page_of(process::Address address);
  [[nodiscard]] const SpanView* span_of(process::Address address);
  [[nodiscard]] process::Address next_node(process::Address node, std::uint64_t size, std::uint64_t next_at);
  [[nodiscard]] std::optional<LinkedList> longest_from(process::Address node, std::uint64_t least_nodes);
  [[nodiscard]] std::vector<std::uint64_t> pointers_of(process::Address object);  // where in it, bytes

  process::RemoteMemory& memory_;
  const HeapSpans& spans_;
  PointerMaps& maps_;
  const SpanView* recent_ = nullptr;
  std::vector<Page> pages_;
  std::uint64_t reads_ = 0;
};

}  // namespace gotrace::goruntime
