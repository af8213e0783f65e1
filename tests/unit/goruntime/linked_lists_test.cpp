// Lists are followed to their end, whatever they are made of; what is none, or has no end, is refused.
#include "goruntime/linked_lists.h"

#include <catch2/catch.hpp>

#include "readers_world.h"

namespace gotrace::goruntime {
namespace {

using gotrace::testing::World;

// A span of nodes {id, next, previous, spare} in a made-up process of Go 1.24.
class Nodes {
 public:
  static constexpr std::uint64_t kSize = 32;
  static constexpr std::uint64_t kNext = 8;
  static constexpr std::uint64_t kPrevious = 16;
  static constexpr std::uint64_t kBytes = 2 * 8192;
  static constexpr std::uint64_t kMost = (kBytes - kBytes / 64) / kSize;

  Nodes() : base_((world_.make(kBytes + 8192) + 8191) / 8192 * 8192), maps_(world_) {
    for (std::uint64_t i = 0; i < kBytes / 64; ++i)  // two nodes a byte: the second and the third word are pointers
      world_.put<std::uint8_t>(base_ + kBytes - kBytes / 64 + i, 0x66);
  }
  [[nodiscard]] process::Address at(std::uint64_t index) const { return base_ + index * kSize; }
  void link(std::uint64_t from, std::uint64_t to) { world_.put(at(from) + kNext, at(to)); }
  void link_back(std::uint64_t from, std::uint64_t to) { world_.put(at(from) + kPrevious, at(to)); }
  void put_next(std::uint64_t from, std::uint64_t word) { world_.put(at(from) + kNext, word); }
  void chain(std::uint64_t count) {
    for (std::uint64_t i = 0; i + 1 < count; ++i) link(i, i + 1);
  }
  [[nodiscard]] ListWalker walker() {
    SpanView span;
    span.base = base_;
    span.pages = 2;
    span.element_size = kSize;
    span.elements = kMost;
    span.limit = base_ + kMost * kSize;
    span.span_class = 2 << 1;
    span.state = 1;
    spans_ = std::make_unique<HeapSpans>(std::vector<SpanView>{span});
    return {world_.target().memory(), *spans_, maps_};
  }

 private:
  World world_{24};
  process::Address base_;
  PointerMaps maps_;
  std::unique_ptr<HeapSpans> spans_;
};

}  // namespace

TEST_CASE("a list is found by its first node and walked to its end, and on when it has grown") {
  Nodes nodes;
  nodes.chain(300);
  auto walker = nodes.walker();
  auto list = walker.find(nodes.at(0), 100);
  REQUIRE(list);
  CHECK(list->first == nodes.at(0));
  CHECK(list->second == nodes.at(1));
  CHECK(list->node_size == Nodes::kSize);
  CHECK(list->next_at == Nodes::kNext);
  CHECK(list->nodes == 101);
  CHECK_FALSE(list->ended);
  CHECK_FALSE(list->linked_back);
  REQUIRE(walker.extend(*list, 10'000));
  CHECK(list->ended);
  CHECK(list->nodes == 300);
  CHECK(list->last == nodes.at(299));
  CHECK(list->sample.size() <= ListWalker::kMostSample);
  CHECK(list->sample.front() == nodes.at(0));
  for (const process::Address node : list->sample) CHECK((node - nodes.at(0)) / Nodes::kSize % list->stride == 0);
  nodes.link(299, 300);
  auto later = nodes.walker();
  REQUIRE(later.extend(*list, 10'000));
  CHECK(list->nodes == 301);
}

TEST_CASE("a list is found by what points to its first node; one that is linked both ways is followed forward") {
  Nodes nodes;
  nodes.chain(300);
  for (std::uint64_t i = 1; i < 300; ++i) nodes.link_back(i, i - 1);
  nodes.link_back(400, 0);
  auto walker = nodes.walker();
  const auto list = walker.find(nodes.at(400), 100);
  REQUIRE(list);
  CHECK(list->first == nodes.at(0));
  CHECK(list->linked_back);
}

TEST_CASE("what is short, goes in a ring or leads out of the heap is no list") {
  Nodes nodes;
  nodes.chain(300);
  auto walker = nodes.walker();
  CHECK_FALSE(walker.find(nodes.at(0), 301));
  CHECK_FALSE(walker.find(nodes.at(299), 2));
  CHECK_FALSE(walker.find(1, 2));
  CHECK_FALSE(walker.object_at(~0ULL));
  auto list = walker.find(nodes.at(0), 100);
  REQUIRE(list);
  for (const std::uint64_t target : {0, 7, 150, 298, 299}) {  // a ring of all, of some, of two, of one
    nodes.link(299, target);
    auto again = *list;
    auto other = nodes.walker();
    CHECK_FALSE(other.extend(again, 100'000));
  }
  for (const std::uint64_t word : {std::uint64_t{1}, ~std::uint64_t{0}, nodes.at(5) + 8}) {
    nodes.put_next(299, word);
    auto again = *list;
    auto other = nodes.walker();
    REQUIRE(other.extend(again, 100'000));
    CHECK(again.ended);
    CHECK(again.nodes == 300);
  }
}

TEST_CASE("what lay in a node's place before it was made does not lead astray") {
  constexpr std::uint64_t kOfPage = 4096 / Nodes::kSize;
  Nodes nodes;
  nodes.chain(50);
  nodes.link(49, kOfPage);
  for (std::uint64_t i = kOfPage; i < kOfPage + 20; ++i) nodes.link(i, i + 1);
  nodes.link(60, 2 * kOfPage);  // garbage
  for (std::uint64_t i = 2 * kOfPage; i < 2 * kOfPage + 100; ++i) nodes.link(i, i + 1);
  auto walker = nodes.walker();
  auto list = walker.find(nodes.at(0), 40);  // reads the first page
  REQUIRE(list);
  nodes.put_next(60, 0);  // is made, and hung on
  nodes.link(kOfPage + 20, 60);
  REQUIRE(walker.extend(*list, 10'000));
  CHECK(list->ended);
  CHECK(list->last == nodes.at(60));
  CHECK(list->nodes == 50 + 21 + 1);
}

TEST_CASE("a list whose first node goes elsewhere now is not what it was") {
  Nodes nodes;
  nodes.chain(300);
  auto walker = nodes.walker();
  auto list = walker.find(nodes.at(0), 100);
  REQUIRE(list);
  nodes.link(0, 50);
  auto later = nodes.walker();
  CHECK_FALSE(later.extend(*list, 10));
}

}  // namespace gotrace::goruntime
