// How much of an object its strings and slices use.
#include "goruntime/object_windows.h"

#include <array>
#include <catch2/catch.hpp>
#include <vector>

namespace gotrace::goruntime {
namespace {

constexpr std::uint64_t kMiB = 1U << 20;

ObjectUse use_of(std::uint64_t size, const std::vector<Window>& windows) { return used_part(size, windows).use; }
Window string_of(std::uint64_t offset, std::uint64_t length) { return {offset, length, 0, false}; }
Window slice_of(std::uint64_t offset, std::uint64_t length, std::uint64_t capacity) {
  return {offset, length, capacity, true};
}

}  // namespace

TEST_CASE("a short string of a long one uses a part of it") {
  const std::array windows{string_of(0, 50)};
  const UsedPart part = used_part(kMiB, windows);
  CHECK(part.use == ObjectUse::part);
  CHECK(part.bytes == 50);
}

TEST_CASE("several parts are added up, and counted once where they overlap") {
  const std::array windows{string_of(0, 100), string_of(50, 100), string_of(1000, 10)};
  CHECK(used_part(kMiB, windows).bytes == 160);
}

TEST_CASE("an object is used when a string or slice has much of it, or nothing is known of it") {
  CHECK(use_of(kMiB, {}) == ObjectUse::whole);
  CHECK(use_of(kMiB, {string_of(0, 50), string_of(0, kMiB)}) == ObjectUse::whole);
  CHECK(use_of(kMiB, {string_of(0, kMiB / 8)}) == ObjectUse::whole);
  CHECK(use_of(kMiB, {slice_of(0, kMiB, kMiB)}) == ObjectUse::whole);
  CHECK(use_of(kMiB, {slice_of(0, kMiB / 8, kMiB / 8)}) == ObjectUse::whole);  // []int64, all of it
}

TEST_CASE("the end of an array is a part: nothing before it can be reached") {
  const std::array windows{slice_of(kMiB - 30, 30, 30)};
  const UsedPart part = used_part(kMiB, windows);
  CHECK(part.use == ObjectUse::part);
  CHECK(part.bytes <= 60);
}

TEST_CASE("capacity in reserve is told apart: it may be appended to") {
  CHECK(use_of(kMiB, {slice_of(0, 100, kMiB)}) == ObjectUse::spare);
  CHECK(use_of(kMiB, {slice_of(0, 100, kMiB - 1000)}) == ObjectUse::spare);  // a size class was rounded up
  CHECK(use_of(kMiB, {slice_of(0, 0, kMiB)}) == ObjectUse::whole);           // an empty buffer at rest
  CHECK(use_of(kMiB, {slice_of(0, 100, kMiB), slice_of(0, 0, kMiB)}) == ObjectUse::whole);
}

TEST_CASE("elements count as large as they may be") {
  // 200 elements: bytes would be a part, of 64 bytes each they are not.
  CHECK(use_of(64 << 10, {slice_of(0, 200, 200)}) == ObjectUse::whole);
  CHECK(use_of(64 << 10, {slice_of(1024, 200, 200)}) == ObjectUse::whole);
  CHECK(use_of(64 << 10, {slice_of(1009, 200, 200)}) == ObjectUse::part);  // a prime: they are bytes
}

TEST_CASE("three words make a slice, two a string") {
  const auto slice = read_window(kMiB, kMiB - 30, 30, 30, true);
  REQUIRE(slice);
  CHECK(slice->slice);
  const auto text = read_window(kMiB, 0, 50, std::nullopt, true);
  REQUIRE(text);
  CHECK_FALSE(text->slice);
  const auto followed = read_window(kMiB, 0, 50, 1234, true);  // {string, int}
  REQUIRE(followed);
  CHECK_FALSE(followed->slice);
  CHECK(followed->capacity == 1234);  // and yet it counts
}

TEST_CASE("what does not fit is no header") {
  CHECK_FALSE(read_window(kMiB, 0, std::nullopt, std::nullopt, true));
  CHECK_FALSE(read_window(kMiB, 0, 0, std::nullopt, true));
  CHECK_FALSE(read_window(kMiB, 0, kMiB + 1, std::nullopt, true));
  CHECK_FALSE(read_window(kMiB, 10, kMiB - 9, std::nullopt, true));
  CHECK_FALSE(read_window(kMiB, kMiB, 1, 1, true));
  CHECK_FALSE(read_window(kMiB, 0, 50, std::nullopt, false));
  CHECK_FALSE(read_window(kMiB, 0, 50, 40, false));  // longer than its capacity
  CHECK_FALSE(read_window(kMiB, 0, ~0ULL, ~0ULL, true));
}

}  // namespace gotrace::goruntime
