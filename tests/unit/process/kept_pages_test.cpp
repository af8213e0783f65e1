#include "process/kept_pages.h"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>

namespace gotrace::process {
namespace {

// Two pages at 0x1000, all bytes being how often they were asked for; and half a page at 0x5000.
class Counting final : public RemoteMemory {
 public:
  [[nodiscard]] bool read(Address address, std::span<std::byte> into) override {
    const Address end = address + into.size();
    if (!(address >= 0x1000 && end <= 0x3000) && !(address >= 0x5000 && end <= 0x5800)) return false;
    std::ranges::fill(into, std::byte{++reads});
    return true;
  }
  std::uint8_t reads = 0;
};

}  // namespace

TEST_CASE("a page that was read is kept as it was then") {
  Counting memory;
  KeptPages pages(memory);
  std::array<std::byte, 4> bytes{};
  REQUIRE(pages.read(0x1ffe, bytes));  // both pages
  CHECK(bytes == std::array{std::byte{1}, std::byte{1}, std::byte{2}, std::byte{2}});
  REQUIRE(pages.read(0x1000, bytes));
  CHECK(bytes[0] == std::byte{1});
  CHECK(memory.reads == 2);
  CHECK(pages.ranges() == std::vector<MemoryRange>{{0x1000, 0x3000}});
}

TEST_CASE("what is no whole page is read, and not kept") {
  Counting memory;
  KeptPages pages(memory);
  std::array<std::byte, 4> bytes{};
  CHECK(pages.read(0x5000, bytes));
  CHECK_FALSE(pages.read(0x57fe, bytes));
  CHECK_FALSE(pages.read(0x9000, bytes));
  CHECK(pages.ranges().empty());
}

}  // namespace gotrace::process
