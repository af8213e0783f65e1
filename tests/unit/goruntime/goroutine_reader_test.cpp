#include <catch2/catch.hpp>

#include "goruntime/readers.h"
#include "readers_world.h"

namespace gotrace::goruntime {
namespace {

using testing::Address;
using testing::Collector;
using testing::Goroutines;
using testing::World;

constexpr std::uint8_t kReceive = 1;
constexpr std::uint8_t kNilChannel = 3;
constexpr std::uint8_t kMutex = 4;
constexpr std::uint8_t kCoroutine = 5;

struct Channel {
  Address hchan;
  Address sudog;
};

// `g` waits to receive from a channel with 3 of 10 elements.
Channel wait_on_channel(World& world, Address g) {
  const Layout& layout = world.layout();
  const Channel made{world.make(layout.hchan.size), world.make(layout.sudog.size)};
  world.put_field(made.hchan, layout.hchan.qcount, 3);
  world.put_field(made.hchan, layout.hchan.dataqsiz, 10);
  world.put_field(made.hchan, layout.hchan.recvq_first, made.sudog);
  world.put_field(made.sudog, layout.sudog.g, g);
  world.put_field(made.sudog, layout.sudog.c, made.hchan);
  world.put_field(g, layout.g.waiting, made.sudog);
  return made;
}

std::vector<std::string> functions_of(const Collector& sent, StackId id) {
  std::vector<std::string> names;
  for (const auto& stack : sent.all<StackRecord>()) {
    if (stack.id != id) continue;
    for (const LocationId location : stack.locations) {
      for (const auto& record : sent.all<LocationRecord>()) {
        if (record.id == location) names.push_back(record.frames.front().function);
      }
    }
  }
  return names;
}

struct Fixture {
  World world;
  Collector sent;
  Goroutines goroutines{world};
  Symbolizer symbolizer{world, sent};
};

TEST_CASE("a parked goroutine is read with its stack and its channel") {
  Fixture f;
  const Address g = f.goroutines.add(7, kReceive);
  const Channel channel = wait_on_channel(f.world, g);
  const auto reader = make_goroutine_reader(f.world, f.symbolizer, f.sent);
  REQUIRE(f.sent.source("snapshots").status == SourceStatus::on);
  REQUIRE(f.sent.source("stacks").status == SourceStatus::on);
  REQUIRE(f.sent.source("wait-objects").status == SourceStatus::on);
  REQUIRE(reader->look(1) == Look::ok);
  const auto states = f.sent.all<GoroutineState>();
  REQUIRE(states.size() == 1);
  CHECK(states[0].goid == 7);
  CHECK(states[0].ran);
  CHECK_FALSE(states[0].stack_torn);
  CHECK_FALSE(states[0].system);
  CHECK(states[0].stack_bytes == Goroutines::kStack);
  CHECK(functions_of(f.sent, states[0].stack) ==
        std::vector<std::string>{"runtime.gopark", "main.wait", "runtime.goexit"});
  REQUIRE(states[0].wait_objects.size() == 1);
  const WaitObject expected{.kind = WaitKind::channel,
                            .direction = WaitDirection::receive,
                            .address = channel.hchan,
                            .length = 3,
                            .capacity = 10};
  CHECK(states[0].wait_objects[0] == expected);
}

TEST_CASE("what did not run is not sent again, what ran is, what ended is gone") {
  Fixture f;
  const auto& layout = f.world.layout().g;
  const Address still = f.goroutines.add(1, kNilChannel);
  const Address runs = f.goroutines.add(2, kNilChannel);
  const Address ends = f.goroutines.add(3, kNilChannel);
  const auto reader = make_goroutine_reader(f.world, f.symbolizer, f.sent);
  REQUIRE(reader->look(1) == Look::ok);
  REQUIRE(f.sent.all<GoroutineState>().size() == 3);
  f.sent.records.clear();
  f.world.put_field(runs, layout.trackingSeq, 1);
  f.world.put_field(ends, layout.atomicstatus, 6);
  REQUIRE(reader->look(2) == Look::ok);
  const auto states = f.sent.all<GoroutineState>();
  REQUIRE(states.size() == 1);
  CHECK(states[0].goid == 2);
  CHECK(states[0].ran);
  REQUIRE(f.sent.all<GoroutinesGone>().size() == 1);
  CHECK(f.sent.all<GoroutinesGone>()[0].goids == std::vector<std::uint64_t>{3});
  CHECK(f.sent.all<Snapshot>().at(0).goroutines == 2);
  CHECK(f.sent.all<Snapshot>().at(0).unwound == 1);

  f.sent.records.clear();
  f.world.put_field(still, layout.waitsince, 12345);  // a GC saw it
  REQUIRE(reader->look(3) == Look::ok);
  CHECK(f.sent.all<GoroutineState>().empty());
  REQUIRE(f.sent.all<GoroutinesSeen>().size() == 1);
  CHECK(f.sent.all<GoroutinesSeen>()[0].goids == std::vector<std::uint64_t>{1});
  CHECK(f.sent.all<GoroutinesSeen>()[0].wait_since_ns == std::vector<std::uint64_t>{12345});
  CHECK(f.sent.all<GoroutinesSeen>()[0].stack_bytes == std::vector<std::uint64_t>{Goroutines::kStack});

  f.sent.records.clear();
  f.world.put_field(still, layout.waitsince, 0);  // it ran, and parks again
  REQUIRE(reader->look(4) == Look::ok);
  REQUIRE(f.sent.all<GoroutineState>().size() == 1);
  CHECK(f.sent.all<GoroutineState>()[0].ran);
}

TEST_CASE("goroutines that are started between two looks are read at the next one") {
  Fixture f;
  (void)f.goroutines.add(1, kNilChannel);
  const auto reader = make_goroutine_reader(f.world, f.symbolizer, f.sent);
  REQUIRE(reader->look(1) == Look::ok);
  f.sent.records.clear();
  (void)f.goroutines.add(2, kNilChannel);
  (void)f.goroutines.add(3, kNilChannel);
  REQUIRE(reader->look(2) == Look::ok);
  REQUIRE(f.sent.all<GoroutineState>().size() == 2);
  CHECK(f.sent.all<Snapshot>().at(0).goroutines == 3);
}

TEST_CASE("an entry of allgs that is not written yet is taken by a later look") {
  Fixture f;
  (void)f.goroutines.add(1, kNilChannel);
  const Address second = f.goroutines.add(2, kNilChannel);
  const Address array = *f.world.target().memory().value<Address>(*f.world.global("allgs"));
  const auto reader = make_goroutine_reader(f.world, f.symbolizer, f.sent);
  f.world.put<Address>(array + 8, 0);
  REQUIRE(reader->look(1) == Look::ok);
  CHECK(f.sent.all<Snapshot>().at(0).goroutines == 1);
  f.world.put<Address>(array + 8, second);
  REQUIRE(reader->look(2) == Look::ok);
  CHECK(f.sent.all<Snapshot>().at(1).goroutines == 2);
}

TEST_CASE("a list that shrinks, as none of Go's does, is read anew and what it had is gone") {
  Fixture f;
  (void)f.goroutines.add(1, kNilChannel);
  (void)f.goroutines.add(2, kNilChannel);
  const auto reader = make_goroutine_reader(f.world, f.symbolizer, f.sent);
  REQUIRE(reader->look(1) == Look::ok);
  f.sent.records.clear();
  f.world.put<std::uint64_t>(*f.world.global("allgs") + 8, 1);
  REQUIRE(reader->look(2) == Look::ok);
  CHECK(f.sent.all<GoroutineState>().size() == 1);
  CHECK(f.sent.all<Snapshot>().at(0).goroutines == 1);
  CHECK(f.sent.all<GoroutinesGone>().at(0).goids.size() == 2);
}

TEST_CASE("a coroutine may always have run") {
  Fixture f;
  (void)f.goroutines.add(1, kCoroutine);
  const auto reader = make_goroutine_reader(f.world, f.symbolizer, f.sent);
  REQUIRE(reader->look(1) == Look::ok);
  f.sent.records.clear();
  REQUIRE(reader->look(2) == Look::ok);
  REQUIRE(f.sent.all<GoroutineState>().size() == 1);
  CHECK(f.sent.all<GoroutineState>()[0].ran);
}

TEST_CASE("without trackingSeq only a waitsince that stays says that a goroutine did not run") {
  World world(15);
  Collector sent;
  Goroutines goroutines(world);
  Symbolizer symbolizer(world, sent);
  const Address g = goroutines.add(1, kNilChannel);
  const auto reader = make_goroutine_reader(world, symbolizer, sent);
  for (int look = 0; look < 2; ++look) {
    sent.records.clear();
    REQUIRE(reader->look(1) == Look::ok);
    REQUIRE(sent.all<GoroutineState>().size() == 1);
    CHECK(sent.all<GoroutineState>()[0].ran);
  }
  world.put_field(g, world.layout().g.waitsince, 99);
  REQUIRE(reader->look(2) == Look::ok);
  sent.records.clear();
  REQUIRE(reader->look(3) == Look::ok);
  CHECK(sent.all<GoroutineState>().empty());
}

TEST_CASE("a mutex is found by the sudog that the stack points to") {
  Fixture f;
  const Layout& layout = f.world.layout();
  const Address g = f.goroutines.add(5, kMutex);
  const Address mutex = f.world.make(8);
  const Address stale = f.world.make(layout.sudog.size);
  const Address sudog = f.world.make(layout.sudog.size);
  f.world.put_field(stale, layout.sudog.g, g);  // given back: elem is nil
  f.world.put_field(sudog, layout.sudog.g, g);
  f.world.put_field(sudog, layout.sudog.elem, mutex);
  const auto view = f.world.target().memory().value<Address>(g + layout.g.sched_sp.offset);
  f.world.put<Address>(*view, stale);
  f.world.put<Address>(*view + 8, sudog);
  const auto reader = make_goroutine_reader(f.world, f.symbolizer, f.sent);
  REQUIRE(reader->look(1) == Look::ok);
  const auto states = f.sent.all<GoroutineState>();
  REQUIRE(states.at(0).wait_objects.size() == 1);
  CHECK(states[0].wait_objects[0].kind == WaitKind::semaphore);
  CHECK(states[0].wait_objects[0].address == mutex);
}

TEST_CASE("a list of sudogs that belongs to another goroutine is counted as torn, never reported") {
  Fixture f;
  const Address g = f.goroutines.add(1, kReceive);
  (void)wait_on_channel(f.world, g);
  const auto reader = make_goroutine_reader(f.world, f.symbolizer, f.sent);
  const Address other = f.goroutines.add(2, kReceive);
  const Channel channel = wait_on_channel(f.world, other);
  f.world.put_field(channel.sudog, f.world.layout().sudog.g, g);
  REQUIRE(reader->look(1) == Look::ok);
  const auto states = f.sent.all<GoroutineState>();
  REQUIRE(states.size() == 2);
  const auto& torn = states[0].goid == 2 ? states[0] : states[1];
  CHECK(torn.wait_objects.empty());
  CHECK(torn.stack != StackId::none);
  REQUIRE_FALSE(f.sent.all<Loss>().empty());
  CHECK(f.sent.all<Loss>()[0].cause == "torn_goroutines");
}

TEST_CASE("a select's list that leads in a circle ends") {
  Fixture f;
  const Layout& layout = f.world.layout();
  const Address g = f.goroutines.add(1, 2);
  const Channel channel = wait_on_channel(f.world, g);
  f.world.put_field(channel.sudog, layout.sudog.waitlink, channel.sudog);
  const auto reader = make_goroutine_reader(f.world, f.symbolizer, f.sent);
  REQUIRE(reader->look(1) == Look::ok);
  CHECK(f.sent.all<GoroutineState>().at(0).wait_objects.size() == 8);
  CHECK(f.sent.all<GoroutineState>().at(0).wait_object_count == 4096);
}

TEST_CASE("a layout that does not fit turns the source off") {
  Fixture f;
  const Address g = f.goroutines.add(1, kReceive);
  f.world.put_field(g, f.world.layout().g.sched_g, 0x1234);
  const auto reader = make_goroutine_reader(f.world, f.symbolizer, f.sent);
  CHECK(f.sent.source("snapshots").status == SourceStatus::failed);
  CHECK_FALSE(f.sent.source("snapshots").reason.empty());
  CHECK(reader->look(1) == Look::unavailable);
}

TEST_CASE("hostile lengths and pointers are refused") {
  Fixture f;
  (void)f.goroutines.add(1, kReceive);
  const auto reader = make_goroutine_reader(f.world, f.symbolizer, f.sent);
  const Address slice = *f.world.global("allgs");
  f.world.put<std::uint64_t>(slice + 8, ~0ULL);
  CHECK(reader->look(1) == Look::unavailable);
  f.world.put<std::uint64_t>(slice + 8, 4);
  f.world.put<Address>(slice, 0x10);
  CHECK(reader->look(2) == Look::unavailable);
}

TEST_CASE("the end of the target is told from a failed look") {
  Fixture f;
  (void)f.goroutines.add(1, kReceive);
  const auto reader = make_goroutine_reader(f.world, f.symbolizer, f.sent);
  f.world.end_process();
  CHECK(reader->look(1) == Look::target_gone);
}

TEST_CASE("g structs that can't be read are counted") {
  Fixture f;
  (void)f.goroutines.add(1, kNilChannel);
  const auto reader = make_goroutine_reader(f.world, f.symbolizer, f.sent);
  (void)f.goroutines.add(2, kNilChannel);
  const Address array = *f.world.target().memory().value<Address>(*f.world.global("allgs"));
  f.world.put<Address>(array + 8, 0x7000);
  REQUIRE(reader->look(1) == Look::ok);
  CHECK(f.sent.all<Snapshot>().at(0).unreadable == 1);
  CHECK(f.sent.all<Snapshot>().at(0).goroutines == 1);
}

}  // namespace
}  // namespace gotrace::goruntime
