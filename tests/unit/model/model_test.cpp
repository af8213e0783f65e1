#include "model/model.h"

#include <catch2/catch.hpp>

using namespace gotrace;
using gotrace::model::Model;

namespace {

LocationRecord location(std::uint32_t id, std::vector<Frame> frames) {
  return {static_cast<LocationId>(id), id * 16U, std::move(frames)};
}
GoroutineState goroutine(std::uint64_t goid, std::uint32_t created_at, bool ran = true) {
  GoroutineState state;
  state.goid = goid;
  state.status = GoStatus::waiting;
  state.created_at = static_cast<LocationId>(created_at);
  state.ran = ran;
  return state;
}
Snapshot snapshot(std::uint64_t time_ns, std::uint64_t count) {
  Snapshot record;
  record.time_ns = time_ns;
  record.goroutines = count;
  return record;
}

}  // namespace

TEST_CASE("a stack expands to its frames, inlined calls included; unknown ids yield nothing") {
  Model model;
  model.accept(location(1, {{"a", "a.go", 1, true, false}, {"b", "a.go", 2, false, false}}));
  model.accept(location(2, {{"c", "c.go", 3, false, false}}));
  model.accept(StackRecord{static_cast<StackId>(1), {static_cast<LocationId>(1), static_cast<LocationId>(2)}, false});
  const auto frames = model.symbols().expand(static_cast<StackId>(1));
  REQUIRE(frames.size() == 3);
  CHECK(frames[2].function == "c");
  CHECK(model.symbols().expand(static_cast<StackId>(77)).empty());
  model.accept(location(0xffffffff, {{"far", "", 0, false, false}}));  // a hostile id must not allocate gigabytes
  CHECK(model.symbols().frames(static_cast<LocationId>(0xffffffff)).empty());
}

TEST_CASE("the same go statement compiled twice is one creation site") {
  Model model;
  model.accept(location(1, {{"main.f", "f.go", 9, true, false}, {"main.a", "f.go", 20, false, false}}));
  model.accept(location(2, {{"main.f", "f.go", 9, true, false}, {"main.b", "f.go", 30, false, false}}));
  model.accept(goroutine(1, 1));
  model.accept(goroutine(2, 2));
  model.accept(snapshot(1, 2));
  REQUIRE(model.goroutines().sites().size() == 1);
  CHECK(model.goroutines().sites()[0].alive == 2);
}

TEST_CASE("goroutines settle at the second look that sees them, and their ends are counted then") {
  Model model;
  model.accept(location(1, {{"main.f", "f.go", 9, false, false}}));
  model.accept(goroutine(1, 1));
  model.accept(snapshot(100, 1));
  model.accept(goroutine(2, 1));
  model.accept(snapshot(200, 2));  // 1 settles: it was there before the count began
  model.accept(goroutine(3, 1));
  model.accept(snapshot(300, 3));  // 2 settles
  model.accept(GoroutinesGone{{2, 3, 99}});
  model.accept(snapshot(400, 1));
  const auto& table = model.goroutines();
  const auto series = table.series(table.sites()[0]);
  std::uint32_t settled = 0;
  std::uint32_t ended = 0;
  for (const auto& count : series) settled += count.settled, ended += count.ended;
  CHECK(settled == 1);
  CHECK(ended == 1);
  CHECK(table.sites()[0].settled_at_start == 1);
  CHECK(table.alive().size() == 1);
}

TEST_CASE("a goroutine that has not run is still since the look at which it last did") {
  Model model;
  model.accept(location(1, {{"main.f", "f.go", 9, false, false}}));
  model.accept(goroutine(1, 1));
  model.accept(snapshot(100, 1));
  model.accept(snapshot(200, 1));
  CHECK(model.goroutines().find(1)->still_since_ns == 100);
  model.accept(goroutine(1, 1, true));
  model.accept(snapshot(300, 1));
  CHECK(model.goroutines().find(1)->still_since_ns == 300);
  model.accept(goroutine(1, 1, false));
  model.accept(snapshot(400, 1));
  CHECK(model.goroutines().find(1)->still_since_ns == 300);
}

TEST_CASE("what a GC saw of a parked goroutine changes nothing else of it") {
  Model model;
  model.accept(location(1, {{"main.f", "f.go", 9, false, false}}));
  model.accept(goroutine(1, 1));
  model.accept(snapshot(100, 1));
  model.accept(GoroutinesSeen{{1, 99}, {77, 78}, {4096, 4096}});
  model.accept(snapshot(200, 1));
  const auto found = model.goroutines().find(1);
  REQUIRE(found);
  CHECK(found->state.wait_since_ns == 77);
  CHECK(found->state.stack_bytes == 4096);
  CHECK(found->state.status == GoStatus::waiting);
  CHECK(found->still_since_ns == 100);
  CHECK_FALSE(model.goroutines().find(99));
}

TEST_CASE("memory stays bounded and no count is lost however long the session is") {
  Model model;
  model.accept(location(1, {{"main.f", "f.go", 9, false, false}}));
  std::uint64_t time = 0;
  constexpr std::uint64_t kLooks = 5000;
  for (std::uint64_t i = 1; i <= kLooks; ++i) {
    model.accept(goroutine(i, 1));
    model.accept(snapshot(time += 1000, i));
    MemoryFigures figures;
    figures.time_ns = time;
    model.accept(figures);
  }
  const auto& table = model.goroutines();
  CHECK(table.blocks().size() <= model::GoroutineTable::kMostBlocks);
  CHECK(table.looks().size() <= 2 * model::GoroutineTable::kMostBlocks);
  CHECK(model.memory().size() <= Model::kMostMemoryFigures);
  CHECK(table.looks().back().time_ns == time);
  CHECK(model.memory().back().time_ns == time);
  std::uint64_t settled = table.sites()[0].settled_at_start;
  for (const auto& count : table.series(table.sites()[0])) settled += count.settled;
  CHECK(settled == kLooks - 1);  // the last has been seen only once
  CHECK(table.blocks().front().begin_ns == 1000);
  CHECK(table.blocks().back().end_ns == time - 1000);
}

TEST_CASE("live objects after a GC: what was allocated until its end less what its sweep freed") {
  Model model;
  HeapCounters counters;
  counters.by_class = true;
  counters.time_ns = 1000;
  counters.allocated[3] = 100;
  model.accept(counters);
  counters.time_ns = 2000;
  counters.allocated[3] = 200;
  counters.gc_cycles = 1;
  counters.last_gc_end_ns = 1500;
  counters.swept = false;
  model.accept(counters);
  CHECK(model.heap().points().empty());
  counters.time_ns = 2500;
  counters.freed[3] = 40;
  counters.swept = true;
  model.accept(counters);
  REQUIRE(model.heap().points().size() == 1);
  CHECK(model.heap().points()[0].allocated[3] == Approx(150));
  CHECK(model.heap().points()[0].live[3] == Approx(110));
}

TEST_CASE("the heap profile and allocation samples of one place meet in one call site") {
  Model model;
  model.accept(location(1, {{"runtime.mallocgc", "m.go", 1, false, true}}));
  model.accept(location(2, {{"main.put", "c.go", 41, false, false}}));
  model.accept(location(3, {{"runtime.goexit", "asm.s", 1, false, true}}));
  const auto id = [](std::uint32_t i) { return static_cast<LocationId>(i); };
  model.accept(StackRecord{static_cast<StackId>(1), {id(1), id(2), id(3)}, false});
  model.accept(StackRecord{static_cast<StackId>(2), {id(2)}, false});
  model.accept(HeapBucket{static_cast<StackId>(1), 1024, 7, 2, 0, 0});
  AllocationSample sample;
  sample.stack = static_cast<StackId>(2);
  sample.size_class = 20;
  sample.size = 1024;
  sample.objects = 8;
  model.accept(sample);
  REQUIRE(model.heap().sites().size() == 1);
  CHECK(model.heap().sites()[0].stack.front().function == "main.put");
  CHECK(model.heap().sites()[0].profile.at(1024).allocs == 7);
  CHECK(model.heap().sites()[0].samples.at(20).bytes == Approx(8192));
}
