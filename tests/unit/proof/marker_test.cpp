#include "proof/marker.h"

#include <sys/mman.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <limits>

#include "../goruntime/readers_world.h"
#include "proof/heap_graph.h"

namespace gotrace::proof {
namespace {

using goruntime::SpanView;

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
  testing::World world{24};
  process::Snapshot snapshot;
  std::unique_ptr<HeapGraph> graph;
  std::unique_ptr<Marker> marker;
};

}  // namespace

TEST_CASE("an address is found in its object, interior pointers as well") {
  const Heap heap;
  const Snapped snapped(heap);
  CHECK(snapped.graph->why_unusable().empty());
  const auto object = snapped.graph->find(heap.small(2) + 17);
  REQUIRE(object);
  CHECK(snapped.graph->address(*object) == heap.small(2));
  CHECK(snapped.graph->size(*object) == 64);
  CHECK(snapped.graph->object_of(snapped.graph->number(*object)) == *object);
  CHECK(snapped.graph->find(heap.large() + 2 * kSpan - 1));
  CHECK_FALSE(snapped.graph->find(heap.large() + 2 * kSpan));
  CHECK_FALSE(snapped.graph->find(heap.small(Heap::kSmall)));  // the bits, no object
  CHECK_FALSE(snapped.graph->find(0));
  CHECK_FALSE(snapped.graph->find(std::numeric_limits<Address>::max()));
}

TEST_CASE("a slot is in use below the free index, or where its bit is set") {
  Heap heap;
  heap.in_use(9);
  const Snapped snapped(heap);
  CHECK(snapped.graph->find(heap.small(3)));
  CHECK_FALSE(snapped.graph->find(heap.small(4)));
  CHECK(snapped.graph->find(heap.small(9)));
}

TEST_CASE("while a span is swept all its slots count") {
  Heap heap;
  heap.sweepgen = 3;
  const Snapped snapped(heap);
  CHECK(snapped.graph->find(heap.small(4)));
}

TEST_CASE("marking follows what the maps call pointers") {
  Heap heap;
  heap.put(heap.small(0), heap.small(1) + 8);  // a pointer
  heap.is_pointer(heap.small(0));
  heap.put(heap.small(1) + 56, heap.plain(7));
  heap.is_pointer(heap.small(1) + 56);
  heap.put(heap.small(1) + 48, heap.small(2));  // a number that looks like one
  heap.put(heap.plain(7), heap.small(3));       // in an object without pointers
  Snapped snapped(heap);
  snapped.marker->mark(heap.small(0));
  snapped.marker->drain();
  CHECK(snapped.marked(heap.small(0)));
  CHECK(snapped.marked(heap.small(1)));
  CHECK(snapped.marked(heap.plain(7)));
  CHECK_FALSE(snapped.marked(heap.small(2)));
  CHECK_FALSE(snapped.marked(heap.small(3)));
  CHECK(snapped.marker->objects() == 3);
  CHECK(snapped.marker->bytes() == 3 * 64);
}

TEST_CASE("where no map is known, every word may be a pointer") {
  Heap heap;
  heap.put(heap.large() + kSpan, heap.small(2) + 63);
  Snapped snapped(heap);
  snapped.marker->mark(heap.large() + 5);
  snapped.marker->drain();
  CHECK(snapped.marked(heap.small(2)));
}

TEST_CASE("what is set aside leads nowhere; what is watched tells") {
  Heap heap;
  heap.put(heap.small(0), heap.small(1));
  heap.is_pointer(heap.small(0));
  Snapped snapped(heap);
  Marker& marker = *snapped.marker;
  const auto first = *snapped.graph->find(heap.small(0));
  const auto second = *snapped.graph->find(heap.small(1));
  marker.set_aside(first);
  marker.watch(second);
  marker.mark(heap.small(0));
  marker.drain();
  CHECK_FALSE(marker.marked(second));
  CHECK(marker.take_hits().empty());
  marker.mark_contents(first);
  marker.drain();
  CHECK(marker.marked(second));
  CHECK(marker.take_hits() == std::vector<std::uint32_t>{snapped.graph->number(second)});
}

TEST_CASE("references are noted as they are found, from origins and from objects") {
  Heap heap;
  heap.put(heap.small(0), heap.small(1) + 8);
  heap.is_pointer(heap.small(0));
  heap.put(heap.small(0) + 8, heap.plain(7));
  heap.is_pointer(heap.small(0) + 8);
  heap.put(heap.small(1), heap.small(0));
  heap.is_pointer(heap.small(1));
  Snapped snapped(heap);
  Marker& marker = *snapped.marker;
  const auto order = [&](Address address) { return marker.order_of(*snapped.graph->find(address)); };
  marker.keep_references(16, 16);
  marker.from({Origin::Kind::variable, 0x1000});
  marker.mark(heap.small(0));
  marker.from({Origin::Kind::goroutine, 7});
  marker.mark(heap.small(1));
  marker.drain();
  REQUIRE(marker.references() != nullptr);
  const References& references = *marker.references();
  CHECK(references.complete());
  CHECK(references.size() == 5);
  const auto of = [&](Address address) {
    const auto found = references.of(order(address));
    return std::vector<std::uint32_t>(found.begin(), found.end());
  };
  CHECK(of(heap.small(0)) == std::vector<std::uint32_t>{order(heap.small(1)), order(heap.plain(7))});
  CHECK(of(heap.small(1)) == std::vector<std::uint32_t>{order(heap.small(0))});
  CHECK(of(heap.plain(7)).empty());
  REQUIRE(references.from_origins().size() == 2);
  CHECK(marker.origins()[references.from_origins()[1].origin] == Origin{Origin::Kind::goroutine, 7});
  CHECK(references.from_origins()[1].object == order(heap.small(1)));
}

TEST_CASE("more objects than a batch holds are marked in the order in which they are found, by shortest ways") {
  Heap heap;
  constexpr std::uint64_t kMembers = 120;
  for (std::uint64_t i = 0; i < kMembers; ++i) {  // a list, and an array that leads to every second of its members
    heap.in_use(i);
    heap.put(heap.small(i), i + 1 < kMembers ? heap.small(i + 1) : heap.plain(0));
    heap.put(heap.small(i) + 8, heap.plain(i));
    heap.is_pointer(heap.small(i));
    heap.is_pointer(heap.small(i) + 8);
    heap.put(heap.large() + 16 * i, heap.small(i / 2 * 2));
    heap.put(heap.large() + 16 * i + 8, heap.small(i / 2 * 2) + 63);
  }
  Snapped snapped(heap);
  Marker& marker = *snapped.marker;
  marker.keep_references(4096, 4096);
  marker.from({Origin::Kind::variable, 0x1000});
  marker.mark(heap.large());
  marker.drain();
  CHECK(marker.objects() == 1 + 2 * kMembers);
  CHECK(marker.references()->size() == 1 + 4 * kMembers);
  CHECK(marker.references()->of(0).size() == 2 * kMembers);
  const auto order = [&](Address address) { return marker.order_of(*snapped.graph->find(address)); };
  for (std::uint64_t i = 0; i < kMembers; ++i) {
    const ObjectRef member = *snapped.graph->find(heap.small(i));
    CHECK(marker.object(order(heap.small(i))) == member);
    const auto path = marker.path_to(member, 100);
    CHECK(path.objects.size() == 2 + i % 2);
    CHECK(path.origin == Origin{Origin::Kind::variable, 0x1000});
    if (i % 2 == 0) CHECK(order(heap.small(i)) == 1 + i / 2);
    const auto led = marker.references()->of(order(heap.small(i)));
    REQUIRE(led.size() == 2);
    CHECK(led[1] == order(heap.plain(i)));
  }
}

TEST_CASE("more references than there is room for are not half told") {
  Heap heap;
  heap.put(heap.small(0), heap.small(1));
  heap.is_pointer(heap.small(0));
  heap.put(heap.small(0) + 8, heap.small(2));
  heap.is_pointer(heap.small(0) + 8);
  Snapped snapped(heap);
  snapped.marker->keep_references(1, 1);
  snapped.marker->mark(heap.small(0));
  snapped.marker->drain();
  CHECK_FALSE(snapped.marker->references()->complete());
  CHECK(snapped.marked(heap.small(2)));
}

TEST_CASE("a span that was not copied makes the graph incomplete") {
  Heap heap;
  testing::World world{24};
  const process::Snapshot nothing;
  const HeapGraph graph(world, nothing, heap.spans(), 4);
  CHECK(graph.why_unusable() == "a part of the heap was not copied");
}

}  // namespace gotrace::proof
