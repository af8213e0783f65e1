#include "proof/retention.h"

#include <catch2/catch.hpp>

#include "small_heap.h"

namespace gotrace::proof {
namespace {

using testing::Heap;

constexpr std::uint64_t kSize = 64;                   // of each object
constexpr Address kFirst = 0x1000, kSecond = 0x2000;  // package variables

// The first variable leads to a list of two, each with a string; the second one to an object; both to an object with
// two strings. A thread has the list, too, and an object of its own.
class World {
 public:
  World() {
    link(heap.small(0), 0, heap.small(1));
    link(heap.small(0), 1, heap.plain(0));
    link(heap.small(1), 0, heap.plain(1));
    link(heap.small(3), 0, heap.plain(3));
    link(heap.small(3), 1, heap.plain(4));
    heap.in_use(5);
  }
  [[nodiscard]] Retention retention(const std::string& why = "") {
    testing::Snapped snapped(heap);
    Marker& marker = *snapped.marker;
    marker.keep_references(1024, 1024);
    reach(marker, {Origin::Kind::thread, 0}, {heap.small(0), heap.small(5)});
    reach(marker, {Origin::Kind::variable, kFirst}, {heap.small(0), heap.small(3)});
    reach(marker, {Origin::Kind::variable, kSecond}, {heap.small(2), heap.small(3) + 8});
    marker.drain();
    Captured captured;
    captured.program = std::make_unique<testing::World>(24);
    captured.snapshot = &snapped.snapshot;
    return find_retention(captured, *snapped.graph, marker, Goroutines(), {}, {}, {why});
  }
  Heap heap;

 private:
  void link(Address from, std::uint64_t word, Address to) {
    heap.put(from + 8 * word, to);
    heap.is_pointer(from + 8 * word);
  }
  static void reach(Marker& marker, Origin origin, std::initializer_list<Address> objects) {
    marker.from(origin);
    for (const Address object : objects) marker.mark(object);
  }
};

const Retainer* find(const Retention& retention, RetainerKind kind, Address variable = 0) {
  for (const Retainer& retainer : retention.retainers)
    if (retainer.kind == kind && retainer.variable == variable) return &retainer;
  return nullptr;
}

}  // namespace

TEST_CASE("a root retains what would be garbage without it, and what several hold is shared") {
  World world;
  const Retention retention = world.retention();
  CHECK(retention.off.empty());
  CHECK(retention.objects == 9);
  CHECK(retention.bytes == 9 * kSize);
  CHECK(retention.references == 6 + 5);
  const Retainer* first = find(retention, RetainerKind::variable, kFirst);
  const Retainer* second = find(retention, RetainerKind::variable, kSecond);
  const Retainer* shared = find(retention, RetainerKind::shared);
  const Retainer* thread = find(retention, RetainerKind::threads);
  REQUIRE((first != nullptr && second != nullptr && shared != nullptr && thread != nullptr));
  CHECK(retention.retainers.size() == 4);
  CHECK(first->bytes == 4 * kSize);  // that a thread has it just now, too, counts for nothing
  CHECK(second->bytes == kSize);
  CHECK(shared->bytes == 3 * kSize);
  CHECK(shared->object.address == world.heap.small(3));
  CHECK(thread->bytes == kSize);
  CHECK(first == retention.retainers.data());  // the largest first
}

TEST_CASE("retention by kind counts each object once") {
  World world;
  const Retention retention = world.retention();
  REQUIRE(retention.types.size() == 2);  // of 64 bytes with pointers, and without
  CHECK(retention.types[0].bytes == 9 * kSize);
  CHECK(retention.types[0].instances == 4);  // the list counts as one: its head holds the rest
  CHECK(retention.types[1].bytes == 4 * kSize);
  CHECK_FALSE(retention.types[1].pointers);
}

TEST_CASE("prove --why ADDRESS tells what the object retains, and a way to it") {
  World world;
  const Retention retention = world.retention(std::to_string(world.heap.small(1) + 8));
  REQUIRE(retention.answers.size() == 1);
  const RetainedType& answer = retention.answers[0];
  CHECK(answer.bytes == 2 * kSize);
  CHECK(answer.object.address == world.heap.small(1));
  REQUIRE(answer.way.steps.size() == 2);
  CHECK(answer.way.steps[1].address == world.heap.small(0));
  CHECK(answer.way.origin == Origin{Origin::Kind::variable, kFirst});  // rather than the thread
}

TEST_CASE("prove --why says why there is nothing to tell") {
  World world;
  const auto why_not = [&](const std::string& why) { return world.retention(why).why_not; };
  CHECK_THAT(why_not(std::to_string(world.heap.plain(9))), Catch::Contains("it is garbage"));
  CHECK_THAT(why_not(std::to_string(world.heap.small(20))), Catch::Contains("it was freed, or never used"));
  CHECK_THAT(why_not("0x10"), Catch::Contains("no object of the Go heap is there"));
  CHECK_THAT(why_not("main.T"), Catch::Contains("no type of an object is known"));
}

}  // namespace gotrace::proof
