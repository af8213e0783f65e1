// Whether a search finds again what the one before has found.
#include "goruntime/retention_suspects.h"

#include <catch2/catch.hpp>

namespace gotrace::goruntime {
namespace {

constexpr std::uint64_t kSize = 1U << 20;

HeaderReference header(process::Address place, std::uint64_t offset, std::uint64_t length) {
  HeaderReference one;
  one.place = place;
  one.pointer = 0xc000100000 + offset;
  one.window = {.offset = offset, .length = length, .capacity = 0, .slice = false};
  return one;
}

PartlyUsed object(std::vector<HeaderReference> references) {
  PartlyUsed one{.base = 0xc000100000, .size = kSize};
  one.used = {ObjectUse::part, 50};
  one.references = std::move(references);
  return one;
}

PartlyUsed queue(process::Address place, std::uint64_t popped, std::vector<process::Address> sample) {
  PartlyUsed one = object({header(place, 8 * popped, 100 - popped)});
  one.noscan = false;
  one.used = {};
  one.stale = StaleElements{.pointers = 100, .unused = popped, .kept_bytes = kSize, .sample = std::move(sample)};
  return one;
}

}  // namespace

TEST_CASE("a part is found again where its header is, or where a map that grew has moved it") {
  const auto before = object({header(0xc000002000, 0, 50)});
  CHECK(found_again(before, object({header(0xc000002000, 0, 50)})));
  CHECK(found_again(before, object({header(0xc000008000, 0, 50)})));
  CHECK(found_again(before, object({header(0xc000008000, 100, 20), header(0xc000008010, 0, 50)})));
}

TEST_CASE("another part of the object is not the same") {
  const auto before = object({header(0xc000002000, 0, 50)});
  CHECK_FALSE(found_again(before, object({header(0xc000002000, 0, 60)})));
  CHECK_FALSE(found_again(before, object({header(0xc000002000, 64, 50)})));
  auto spare = object({header(0xc000002000, 0, 50)});
  spare.used.use = ObjectUse::spare;
  CHECK_FALSE(found_again(before, spare));
}

TEST_CASE("a queue goes on: its header stays where it is, and what it left behind, too") {
  const auto before = queue(0xc000002000, 40, {1, 2, 3, 4});
  CHECK(found_again(before, queue(0xc000002000, 60, {1, 2, 3, 4})));
  CHECK(found_again(before, queue(0xc000003000, 40, {1, 2, 3, 4})));  // a map has moved it
  CHECK_FALSE(found_again(before, queue(0xc000003000, 60, {1, 2, 3, 4})));
  CHECK_FALSE(found_again(before, queue(0xc000002000, 60, {1, 2, 7, 8})));
}

}  // namespace gotrace::goruntime
