// A small Go heap in our own memory, and the graph of a snapshot of it.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <limits>
#include <memory>
#include <stdexcept>
#include <vector>

#include "../goruntime/readers_world.h"
#include "proof/heap_graph.h"
#include "proof/marker.h"

namespace gotrace::testing {

using goruntime::SpanView;
using proof::Address;
using proof::HeapGraph;
using proof::Marker;

constexpr std::uint64_t kSpan = 8192;

// A heap of three spans in our own memory: objects of 64 bytes of which the bits at the span's end say which words are
// pointers, objects of 64 bytes without pointers, and one large object of unknown type.
class Heap {
 public:
  Heap() {
    memory_ =
        static_cast<std::byte*>(::mmap(nullptr, 8 * kSpan, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    base_ = (reinterpret_cast<Address>(memory_) + kSpan - 1) / kSpan * kSpan;
  }
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;
  ~Heap() { ::munmap(memory_, 8 * kSpan); }

  static constexpr std::uint64_t kSmall = (kSpan - kSpan / 64) / 64;  // objects in the first span
  [[nodiscard]] Address small(std::uint64_t slot) const { return base_ + 64 * slot; }
  [[nodiscard]] Address plain(std::uint64_t slot) const { return base_ + kSpan + 64 * slot; }
  [[nodiscard]] Address large() const { return base_ + 2 * kSpan; }
  [[nodiscard]] Address bits() const { return base_ + 5 * kSpan; }  // which of the small ones are in use
  void put(Address address, std::uint64_t word) { std::memcpy(reinterpret_cast<void*>(address), &word, 8); }
  void is_pointer(Address address) {
    const std::uint64_t word = (address - base_) / 8;
    auto* bit = reinterpret_cast<std::uint8_t*>(base_ + kSpan - kSpan / 64 + word / 8);
    *bit = static_cast<std::uint8_t>(*bit | 1U << (word % 8));
  }
  void in_use(std::uint64_t slot) {
    auto* bit = reinterpret_cast<std::uint8_t*>(bits() + slot / 8);
    *bit = static_cast<std::uint8_t>(*bit | 1U << (slot % 8));
  }

  std::vector<SpanView> spans() const {
    SpanView small{.base = base_, .pages = 1, .element_size = 64, .elements = kSmall, .free_index = 4};
    small.limit = base_ + kSmall * 64;
    small.alloc_bits = bits();
    small.span_class = 5 << 1;
    small.state = 1;
    small.sweepgen = sweepgen;
    SpanView plain = small;
    plain.base += kSpan;
    plain.limit = plain.base + 128 * 64;
    plain.elements = 128;
    plain.free_index = 128;
    plain.span_class |= 1;
    SpanView large{.base = base_ + 2 * kSpan, .pages = 2, .element_size = 2 * kSpan, .elements = 1, .free_index = 1};
    large.limit = large.base + 2 * kSpan;
    large.state = 1;
    large.sweepgen = 4;
    return {small, plain, large};
  }
  [[nodiscard]] process::MemoryRange all() const { return {base_, base_ + 6 * kSpan}; }

  std::uint32_t sweepgen = 4;  // of the small ones; the heap's is 4

 private:
  std::byte* memory_;
  Address base_;
};

class Snapped {
 public:
  explicit Snapped(const Heap& heap) {
    const std::vector<process::MemoryRange> ranges{heap.all()};
    if (!snapshot.add(ranges).ok()) throw std::runtime_error("no memory");
    (void)snapshot.copy(::getpid(), ranges, 1, std::numeric_limits<std::uint64_t>::max());
    graph = std::make_unique<HeapGraph>(world, snapshot, heap.spans(), 4);
    marker = std::make_unique<Marker>(*graph);
  }
  [[nodiscard]] bool marked(Address address) const {
    const auto object = graph->find(address);
    return object && marker->marked(*object);
  }
  World world{24};
  process::Snapshot snapshot;
  std::unique_ptr<HeapGraph> graph;
  std::unique_ptr<Marker> marker;
};

}  // namespace gotrace::testing
