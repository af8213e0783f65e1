#include "proof/marker.h"

#include <catch2/catch.hpp>
#include <limits>

#include "small_heap.h"

namespace gotrace::proof {
namespace {

using testing::Heap;
using testing::kSpan;
using testing::Snapped;

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
