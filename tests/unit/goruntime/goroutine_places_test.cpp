#include "goruntime/goroutine_places.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>

namespace gotrace::goruntime {
namespace {

using process::Address;

// Every word holds its own address; [hole, hole + 4096) can't be read.
class Addresses final : public process::RemoteMemory {
 public:
  bool read(Address address, std::span<std::byte> into) override {
    ++reads;
    if (address < hole + 4096 && address + into.size() > hole) return false;
    for (std::size_t at = 0; at + 8 <= into.size(); at += 8) {
      const Address value = address + at;
      std::memcpy(into.data() + at, &value, sizeof value);
    }
    return true;
  }
  Address hole = 0;
  int reads = 0;
};

GView parked(std::uint64_t goid) {
  GView view;
  view.goid = goid;
  view.status = GoStatus::waiting;
  view.wait_reason = 14;
  view.pc = 0x401000;
  view.stack_lo = 0xc000100000;
  view.stack_hi = view.stack_lo + 2048;
  view.sp = view.stack_hi - 256;
  return view;
}

std::vector<Address> visited(GoroutinePlaces& places, process::RemoteMemory& memory) {
  std::vector<Address> result;
  const std::size_t count = places.read_all(memory, 64, [&](Address address, Place&, Bytes bytes) {
    CHECK(load_or_zero<Address>(bytes, 0) == address);
    CHECK(bytes.size() == 64);
    result.push_back(address);
  });
  CHECK(count == result.size());
  return result;
}

TEST_CASE("places: every address is visited once, by rising address, whenever it was added") {
  GoroutinePlaces places;
  places.add({0xc000080040, 0xc000000040, 0xc0000fffc0});
  places.add({0xc000000000, 0xc000000040, 0xc000080000, 0x7f0000001000});
  places.add({0, 0xc000000044, 1ULL << 60});  // no addresses of a g
  Addresses memory;
  const std::vector<Address> expected{0xc000000000, 0xc000000040, 0xc000080000,
                                      0xc000080040, 0xc0000fffc0, 0x7f0000001000};
  CHECK(visited(places, memory) == expected);
  CHECK(places.size() == 6);
}

TEST_CASE("places: neighbours are read together") {
  GoroutinePlaces places;
  std::vector<Address> addresses;
  for (Address i = 0; i < 1000; ++i) addresses.push_back(0xc000000000 + i * 448);
  places.add(addresses);
  Addresses memory;
  CHECK(visited(places, memory) == addresses);
  CHECK(memory.reads <= 2);
}

TEST_CASE("places: what can't be read is left out, its neighbours are not") {
  GoroutinePlaces places;
  places.add({0xc000000f00, 0xc000000f80, 0xc000001000, 0xc000002000});
  Addresses memory;
  memory.hole = 0xc000001000;
  CHECK(visited(places, memory) == std::vector<Address>{0xc000000f00, 0xc000000f80, 0xc000002000});
}

TEST_CASE("a place knows whether its goroutine waits as it did") {
  Place place(5);
  GView view = parked(7);
  place.remember(view, true);
  CHECK(place.goid() == 7);
  CHECK(place.waits_as_before(view));
  CHECK(place.same_stack_size(view));
  CHECK_FALSE(place.seen_by_gc());

  view.stack_lo += 0x10000;  // the GC moved its stack
  view.stack_hi += 0x10000;
  view.sp += 0x10000;
  CHECK(place.waits_as_before(view));
  view.stack_lo -= 2048;  // to a larger one
  CHECK(place.waits_as_before(view));
  CHECK_FALSE(place.same_stack_size(view));

  view.wait_since = 1ULL << 32;  // the low half of it is 0, which does not mean that no GC saw it
  CHECK_FALSE(place.same_wait_since(view));
  place.remember_gc(view);
  CHECK(place.same_wait_since(view));
  CHECK(place.seen_by_gc());
  CHECK(place.same_stack_size(view));

  GView other = view;
  other.pc += 8;
  CHECK_FALSE(place.waits_as_before(other));
  other = view;
  other.sp -= 8;
  CHECK_FALSE(place.waits_as_before(other));
  other = view;
  other.wait_reason = 1;
  CHECK_FALSE(place.waits_as_before(other));
  other = view;
  other.status = GoStatus::runnable;
  CHECK_FALSE(place.waits_as_before(other));
  other = view;
  other.tracking = 1;
  CHECK_FALSE(place.same_tracking(other));
}

TEST_CASE("a place does not vouch for what was not read at rest, or for a stack of no possible size") {
  Place place;
  GView view = parked((1ULL << 40) + 3);
  place.remember(view, false);
  CHECK(place.goid() == (1ULL << 40) + 3);
  CHECK_FALSE(place.waits_as_before(view));
  view.stack_lo += 8;
  place.remember(view, true);
  CHECK_FALSE(place.waits_as_before(view));
  place.forget();
  CHECK(place.goid() == 0);
}

TEST_CASE("places: at most 24 bytes for each of many goroutines") {
  constexpr std::size_t kMany = 200'000;
  GoroutinePlaces places;
  std::vector<Address> addresses;
  for (std::size_t i = 0; i < kMany; ++i) addresses.push_back(0xc000000000 + i * 2688);  // each with a stack of its own
  for (std::size_t i = 0; i < kMany; i += kMany / 8) {
    places.add({addresses.begin() + static_cast<std::ptrdiff_t>(i),
                addresses.begin() + static_cast<std::ptrdiff_t>(i + kMany / 8)});
  }
  CHECK(places.size() == kMany);
  CHECK(places.bytes() <= 24 * kMany);
}

}  // namespace
}  // namespace gotrace::goruntime
