#include "goruntime/stack_unwinder.h"

#include <catch2/catch.hpp>

#include "readers_world.h"

namespace gotrace::goruntime {
namespace {

using testing::Address;
using testing::SmallTable;
using testing::World;

constexpr Address kStack = 0x10000;
constexpr std::uint64_t kStep = SmallTable::kFrame + 8;

class Stack {
 public:
  explicit Stack(std::size_t bytes) : words_(bytes / 8) {}
  void put(Address address, std::uint64_t value) { words_.at((address - kStack) / 8) = value; }
  [[nodiscard]] StackWindow window() const {
    const auto bytes = std::as_bytes(std::span(words_));
    return {kStack, bytes, kStack + bytes.size(), nullptr};
  }

 private:
  std::vector<std::uint64_t> words_;
};

TEST_CASE("a stack is followed up to goexit") {
  const World world;
  StackUnwinder unwinder(world);
  Stack stack(256);
  stack.put(kStack + SmallTable::kFrame, world.table().entry("main.wait") + 8);
  stack.put(kStack + SmallTable::kFrame + kStep, world.table().entry("runtime.goexit") + 1);
  UnwoundStack unwound;
  REQUIRE(unwinder.unwind(world.table().entry("runtime.gopark") + 5, kStack, 0, stack.window(), unwound));
  REQUIRE(unwound.count == 3);
  CHECK_FALSE(unwound.first_is_exact);
  CHECK_FALSE(unwound.truncated);
  CHECK(unwound.pcs[1] == world.table().entry("main.wait") + 8);
}

TEST_CASE("a goroutine that never ran stands at the entry of its function") {
  const World world;
  StackUnwinder unwinder(world);
  Stack stack(64);
  stack.put(kStack + SmallTable::kFrame, world.table().entry("runtime.goexit") + 1);
  UnwoundStack unwound;
  REQUIRE(unwinder.unwind(world.table().entry("main.wait"), kStack, 0, stack.window(), unwound));
  CHECK(unwound.first_is_exact);
  CHECK(unwound.count == 2);
}

TEST_CASE("a return address in no function breaks the chain") {
  const World world;
  StackUnwinder unwinder(world);
  Stack stack(64);
  stack.put(kStack + SmallTable::kFrame, 0xdeadbeef);
  UnwoundStack unwound;
  CHECK_FALSE(unwinder.unwind(world.table().entry("main.wait") + 1, kStack, 0, stack.window(), unwound));
  CHECK(unwound.count == 1);
}

TEST_CASE("a chain that leaves the stack is broken") {
  const World world;
  StackUnwinder unwinder(world);
  const Stack stack(16);
  UnwoundStack unwound;
  CHECK_FALSE(unwinder.unwind(world.table().entry("main.wait") + 1, kStack, 0, stack.window(), unwound));
}

TEST_CASE("where the table says nothing the frame pointer leads on, but never back") {
  const World world;
  StackUnwinder unwinder(world);
  Stack stack(256);
  stack.put(kStack + 0x48, world.table().entry("runtime.goexit") + 1);
  UnwoundStack unwound;
  CHECK(unwinder.unwind(world.table().entry("no.table") + 1, kStack, kStack + 0x40, stack.window(), unwound));
  CHECK(unwound.count == 2);
  CHECK_FALSE(
      unwinder.unwind(world.table().entry("no.table") + 1, kStack + 0x80, kStack + 0x40, stack.window(), unwound));
}

TEST_CASE("a stack without end is cut off") {
  const World world;
  StackUnwinder unwinder(world);
  Stack stack(kStep * 400);
  for (Address at = kStack + SmallTable::kFrame; at < kStack + kStep * 399; at += kStep) {
    stack.put(at, world.table().entry("main.main") + 9);
  }
  UnwoundStack unwound;
  REQUIRE(unwinder.unwind(world.table().entry("main.wait") + 1, kStack, 0, stack.window(), unwound));
  CHECK(unwound.truncated);
  CHECK(unwound.count == kMostFrames);
}

}  // namespace
}  // namespace gotrace::goruntime
