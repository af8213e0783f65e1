// Every reference is found, whatever the regions' sizes and however the search is cut into steps.
#include "goruntime/reference_search.h"

#include <catch2/catch.hpp>
#include <cstring>
#include <set>

namespace gotrace::goruntime {
namespace {

class MadeUpMemory final : public process::RemoteMemory {
 public:
  MadeUpMemory(process::Address begin, std::size_t size) : begin_(begin), bytes_(size) {}
  void put(process::Address address, std::uint64_t word) {
    std::memcpy(bytes_.data() + (address - begin_), &word, sizeof word);
  }
  bool read(process::Address address, std::span<std::byte> into) override {
    if (address < begin_ || address - begin_ > bytes_.size() || bytes_.size() - (address - begin_) < into.size())
      return false;
    std::memcpy(into.data(), bytes_.data() + (address - begin_), into.size());
    return true;
  }

 private:
  process::Address begin_;
  std::vector<std::byte> bytes_;
};

SpanView span_at(process::Address base, std::uint64_t element_size, std::uint64_t elements) {
  SpanView span;
  span.base = base;
  span.pages = (element_size * elements + 8191) / 8192;
  span.element_size = element_size;
  span.elements = elements;
  span.limit = base + element_size * elements;
  span.state = 1;
  return span;
}

}  // namespace

TEST_CASE("targets are found by any address within them, and by no other") {
  SearchTargets targets;
  REQUIRE(targets.add_span(span_at(0xc000200000, 16384, 3)) == 0U);
  REQUIRE(targets.add_span(span_at(0x7f0000000000, 100000, 1)) == 3U);
  REQUIRE(targets.add_object(span_at(0xc000000000, 48, 170), 7) == 4U);  // below what was there before
  CHECK(targets.size() == 5);
  CHECK(targets.at(0xc000200000) == 0);
  CHECK(targets.at(0xc000200000 + 3 * 16384 - 1) == 2);
  CHECK(targets.at(0xc000200000 + 3 * 16384) == SearchTargets::kNone);
  CHECK(targets.at(0x7f0000000000 + 99999) == 3);
  CHECK(targets.at(0x7f0000000000 + 100001) == SearchTargets::kNone);
  CHECK(targets.at(0xc000000000 + 7 * 48 + 47) == 4);
  CHECK(targets.at(0xc000000000 + 8 * 48) == SearchTargets::kNone);
  CHECK(targets.at(0) == SearchTargets::kNone);
  CHECK(targets.at(~0ULL) == SearchTargets::kNone);
  CHECK(targets.add_object(span_at(0xc000200000, 16384, 3), 1) == 1U);
}

TEST_CASE("no reference is missed, by any step, behind regions that end within a word") {
  constexpr process::Address kBegin = 0x10000;
  constexpr std::size_t kSize = 3U << 20;
  MadeUpMemory memory(kBegin, kSize);
  SearchTargets targets;
  REQUIRE(targets.add_span(span_at(0xc000000000, 8192, 16)));
  std::set<process::Address> expected;
  for (process::Address place = kBegin + 8; place + 24 < kBegin + kSize; place += 4072) {
    memory.put(place, 0xc000000000 + place % (16 * 8192));
    memory.put(place + 8, 1);
    memory.put(place + 16, 2);
    expected.insert(place);
  }
  using Kind = SearchRegion::Kind;
  const std::vector<SearchRegion> regions{{Kind::data, kBegin, 100003, 0},
                                          {Kind::data, kBegin + 100008, 0, 0},
                                          {Kind::stack, kBegin + 100008, 5, 0},
                                          {Kind::heap, kBegin + 100008, kSize - 100008, 0}};
  std::erase_if(expected, [](process::Address place) { return place > kBegin + 99992 && place < kBegin + 100008; });
  for (const std::uint64_t step : {4096ULL, 100001ULL, 1ULL << 20, 1ULL << 30}) {
    ReferenceSearch search(memory, targets, regions);
    std::set<process::Address> found;
    while (search.step(step, [&](const Reference& reference) {
      found.insert(reference.place);
      CHECK(reference.known == 3);
      CHECK(reference.words[1] == 1);
      CHECK(reference.words[2] == 2);
    })) {
    }
    CHECK(found == expected);
    CHECK(search.read_bytes() == search.total_bytes());
    CHECK(search.unreadable_bytes() == 0);
  }
}

TEST_CASE("what can't be read is counted, and the rest is searched") {
  MadeUpMemory memory(0x10000, 4096);
  memory.put(0x10800, 0xc000000010);
  SearchTargets targets;
  REQUIRE(targets.add_span(span_at(0xc000000000, 8192, 1)));
  ReferenceSearch search(memory, targets,
                         {{SearchRegion::Kind::heap, 0x90000, 8192, 0}, {SearchRegion::Kind::heap, 0x10000, 4096, 0}});
  int found = 0;
  while (search.step(1U << 20, [&](const Reference&) { ++found; })) {
  }
  CHECK(found == 1);
  CHECK(search.unreadable_bytes() == 8192);
}

}  // namespace gotrace::goruntime
