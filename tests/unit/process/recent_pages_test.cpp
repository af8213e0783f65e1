#include "process/recent_pages.h"

#include <algorithm>
#include <catch2/catch.hpp>

namespace gotrace::process {
namespace {

// Each byte is `value`; nothing is there from `end` on.
struct Counted final : RemoteMemory {
  std::byte value{1};
  Address end = 1 << 20;
  int reads = 0;
  bool read(Address address, std::span<std::byte> into) override {
    ++reads;
    std::ranges::fill(into, value);
    return address + into.size() <= end;
  }
};

TEST_CASE("recent pages: a page is read once until it is told to be forgotten") {
  Counted memory;
  RecentPages pages(memory, 4);
  CHECK(pages.value<std::uint8_t>(0x1003) == 1);
  memory.value = std::byte{2};
  CHECK(pages.value<std::uint8_t>(0x1ffe) == 1);
  CHECK(memory.reads == 1);
  CHECK(pages.value<std::uint16_t>(0x1fff) == 0x0201);  // its second byte lies in the next page
  CHECK(memory.reads == 2);
  pages.forget();
  CHECK(pages.value<std::uint8_t>(0x1003) == 2);
}

TEST_CASE("recent pages: two pages of one place, what is as large as a page, what is not there") {
  Counted memory;
  RecentPages pages(memory, 4);
  CHECK(pages.value<std::uint8_t>(0x1000) == 1);
  memory.value = std::byte{2};
  CHECK(pages.value<std::uint8_t>(0x5000) == 2);  // 4 pages further
  CHECK(pages.value<std::uint8_t>(0x1000) == 2);
  CHECK(memory.reads == 3);
  CHECK(pages.block(0x1000, 4096)->back() == std::byte{2});
  CHECK(memory.reads == 4);
  CHECK_FALSE(pages.value<std::uint8_t>(1 << 20));
  CHECK_FALSE(pages.value<std::uint16_t>((1 << 20) - 1));
}

}  // namespace
}  // namespace gotrace::process
