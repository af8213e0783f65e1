#include "model/goroutine_store.h"

#include <catch2/catch.hpp>
#include <map>
#include <random>

using namespace gotrace;
using gotrace::model::GoroutineStore;

namespace {

GoroutineState parked(std::uint64_t goid) {
  GoroutineState state;
  state.goid = goid;
  state.parent_goid = 1;
  state.status = GoStatus::waiting;
  state.wait_reason = 14;
  state.wait_since_ns = 1'000'000 + goid % 7;
  state.stack_bytes = 2048;
  state.created_at = static_cast<LocationId>(3);
  state.start = static_cast<LocationId>(4);
  state.stack = static_cast<StackId>(5);
  return state;
}

WaitObject channel(std::uint64_t address) {
  return {.kind = WaitKind::channel, .direction = WaitDirection::receive, .address = address, .capacity = 10};
}

GoroutineState random_state(std::mt19937_64& random, std::uint64_t goid) {
  GoroutineState state = parked(goid);
  state.status = random() % 2 == 0 ? GoStatus::waiting : GoStatus::running;
  state.wait_since_ns = random();
  state.parent_goid = random() % 4 == 0 ? random() : random() % (goid + 1);
  state.stack_bytes = 2048U << random() % 4;
  state.stack = static_cast<StackId>(random() % 5);
  state.system = random() % 2 == 0;
  const std::size_t objects = random() % 9;
  for (std::size_t i = 0; i < objects; ++i) {
    state.wait_objects.push_back(channel(random()));
    state.wait_objects[i].length = random() % 3;
  }
  state.wait_object_count = static_cast<std::uint32_t>(objects + random() % 2);
  return state;
}

}  // namespace

TEST_CASE("goroutine store: what goes in comes out, however goroutines come, change and go") {
  std::mt19937_64 random(1);
  GoroutineStore store;
  std::map<std::uint64_t, GoroutineState> expected;
  for (int step = 0; step < 20'000; ++step) {
    const std::uint64_t goid = 1 + random() % 500;
    const auto slot = store.find(goid);
    REQUIRE((slot != GoroutineStore::kNone) == expected.contains(goid));
    if (slot != GoroutineStore::kNone && random() % 3 == 0) {
      store.erase(slot);
      expected.erase(goid);
    } else if (slot != GoroutineStore::kNone && random() % 3 == 0) {
      store.set_seen(slot, 77, 4096);
      expected[goid].wait_since_ns = 77;
      expected[goid].stack_bytes = 4096;
    } else {
      expected[goid] = random_state(random, goid);
      store.set_state(slot == GoroutineStore::kNone ? store.insert(goid) : slot, expected[goid]);
    }
  }
  REQUIRE(store.size() == expected.size());
  std::size_t visited = 0;
  store.for_each([&](GoroutineStore::Slot slot) {
    ++visited;
    CHECK(store.state(slot) == expected.at(store.goid(slot)));
    CHECK(store.parent_goid(slot) == expected.at(store.goid(slot)).parent_goid);
  });
  CHECK(visited == expected.size());
}

TEST_CASE("goroutine store: looks and settling are kept for each goroutine, and not handed on with its slot") {
  GoroutineStore store;
  const auto first = store.insert(1);
  store.set_first_look(first, 7);
  store.set_last_ran_look(first, 9);
  store.set_settled(first);
  CHECK(store.first_look(first) == 7);
  CHECK(store.last_ran_look(first) == 9);
  CHECK(store.settled(first));
  store.erase(first);
  CHECK_FALSE(store.holds(first));
  const auto second = store.insert(2);
  CHECK(second == first);
  CHECK_FALSE(store.settled(second));
  CHECK(store.first_look(second) == 0);
}

TEST_CASE("goroutine store: at most 52 bytes for each of many goroutines that wait at few places") {
  constexpr std::uint64_t kMany = 200'000;
  GoroutineStore store;
  for (std::uint64_t goid = 1; goid <= kMany; ++goid) {
    GoroutineState state = parked(goid);
    state.wait_objects.push_back(channel(0xc000000000 + goid * 96));
    state.wait_object_count = 1;
    store.set_state(store.insert(goid), state);
  }
  CHECK(store.kinds() < 10);
  CHECK(store.bytes() <= 52 * kMany);
}

TEST_CASE("goroutine store: a select on two channels takes 16 bytes more, and they are used again") {
  constexpr std::uint64_t kMany = 100'000;
  GoroutineStore store;
  const auto put = [&store](std::uint64_t goid, std::uint64_t address) {
    GoroutineState state = parked(goid);
    state.wait_objects = {channel(address), channel(address + 96)};
    state.wait_object_count = 2;
    const auto slot = store.find(goid);
    store.set_state(slot == GoroutineStore::kNone ? store.insert(goid) : slot, state);
  };
  for (std::uint64_t goid = 1; goid <= kMany; ++goid) put(goid, goid * 192);
  const std::size_t bytes = store.bytes();
  CHECK(bytes <= 70 * kMany);
  for (std::uint64_t goid = 1; goid <= kMany; ++goid) put(goid, goid * 384);  // each parks again elsewhere
  CHECK(store.bytes() <= bytes + 1024);
  CHECK(store.state(store.find(5)).wait_objects[1].address == 5 * 384 + 96);
}
