#include "goruntime/wait_objects.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "goruntime/goroutine_reader_batch.h"

namespace gotrace::goruntime {
namespace {

TEST_CASE("wait reasons are told apart by the runtime's names") {
  CHECK(classify_wait("chan receive") == WaitClass::receive);
  CHECK(classify_wait("chan receive (durable)") == WaitClass::receive);
  CHECK(classify_wait("chan receive (nil chan)") == WaitClass::nil_channel);
  CHECK(classify_wait("chan send (synctest)") == WaitClass::send);
  CHECK(classify_wait("select (no cases)") == WaitClass::nil_channel);
  CHECK(classify_wait("select") == WaitClass::select);
  CHECK(classify_wait("sync.RWMutex.RLock") == WaitClass::semaphore);
  CHECK(classify_wait("sync.WaitGroup.Wait") == WaitClass::semaphore);
  CHECK(classify_wait("sync.Cond.Wait") == WaitClass::condition);
  CHECK(classify_wait("coroutine") == WaitClass::coroutine);
  CHECK(classify_wait("IO wait") == WaitClass::none);
  CHECK(classify_wait("") == WaitClass::none);
}

class Pages final : public process::RemoteMemory {  // [0x1000, 0x9000) but for one page
 public:
  bool read(process::Address address, std::span<std::byte> into) override {
    ++reads;
    const process::Address end = address + into.size();
    if (address < 0x1000 || end > 0x9000 || (address < 0x4000 && end > 0x3000)) return false;
    for (std::size_t i = 0; i < into.size(); ++i) into[i] = static_cast<std::byte>((address + i) >> 4);
    return true;
  }
  int reads = 0;
};

TEST_CASE("near structs are read together, and each gets its own bytes") {
  Pages memory;
  const std::vector<process::Address> addresses{0x2100, 0x1000, 0x1040, 0x8000};
  std::vector<int> seen(addresses.size());
  run_read_plan(memory, make_read_plan(addresses, 0x40), [&](std::uint32_t index, Bytes bytes) {
    REQUIRE(bytes.size() == 0x40);
    CHECK(static_cast<std::uint8_t>(bytes[0]) == static_cast<std::uint8_t>(addresses[index] >> 4));
    ++seen[index];
  });
  CHECK(seen == std::vector<int>{1, 1, 1, 1});
  CHECK(memory.reads == 3);
}

TEST_CASE("structs are visited by rising address, wherever and however far apart they lie") {
  using Addresses = std::vector<process::Address>;
  constexpr process::Address kFar = 1ULL << 47;
  const auto addresses = GENERATE_COPY(Addresses{0x5000, 0, 0x1000, ~0ULL, 0x1008, 0x1000, 0x4ff8}, Addresses{},
                                       Addresses{0x5001, 0x1004, 0x1002}, Addresses{kFar, 8, kFar - 8, 16},
                                       Addresses(70'000, 0x1000), Addresses{(1ULL << 56) - 8, 0x1000});
  std::vector<std::uint32_t> expected;
  for (std::uint32_t i = 0; i < addresses.size(); ++i)
    if (addresses[i] != 0 && addresses[i] < 1ULL << 56) expected.push_back(i);
  std::ranges::stable_sort(expected, {}, [&](std::uint32_t index) { return addresses[index]; });
  CHECK(make_read_plan(addresses, 8).order == expected);
}

TEST_CASE("one that can't be read costs only itself") {
  Pages memory;
  std::vector<int> seen(4);
  run_read_plan(memory, make_read_plan({0x2ff0, 0x2f00, 0, ~0ULL - 4}, 0x40),
                [&](std::uint32_t index, Bytes) { ++seen[index]; });
  CHECK(seen == std::vector<int>{0, 1, 0, 0});
}

}  // namespace
}  // namespace gotrace::goruntime
