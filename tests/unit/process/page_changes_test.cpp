#include "process/page_changes.h"

#include <catch2/catch.hpp>

namespace gotrace::process {
namespace {

using namespace page_word;
using Ranges = std::vector<MemoryRange>;
using Words = std::vector<std::uint64_t>;

constexpr Address kBase = 0xc000000000;
constexpr Address kPage = 4096;
constexpr std::uint64_t kClean = kPresent | kExclusive;
constexpr std::uint64_t kWritten = kClean | kSoftDirty;

PageWords words(Words of, Address begin = kBase) { return PageWords({{begin, std::move(of)}}); }
MemoryRange pages(Address first, Address end) { return {kBase + first * kPage, kBase + end * kPage}; }

}  // namespace

TEST_CASE("difference and intersection of ranges") {
  const Ranges some{{10, 20}, {30, 40}, {50, 60}};
  const Ranges others{{0, 12}, {15, 35}, {58, 70}};
  CHECK(difference(some, others) == Ranges{{12, 15}, {35, 40}, {50, 58}});
  CHECK(intersection(some, others) == Ranges{{10, 12}, {15, 20}, {30, 35}, {58, 60}});
  CHECK(difference(some, {}) == some);
  CHECK(difference(some, {{0, 100}}).empty());
  CHECK(intersection(some, {}).empty());
  CHECK(total_bytes(some) == 30);
}

TEST_CASE("pages that were not written to are held, the others are read again") {
  const auto changes =
      changes_between(words({kClean, kClean, kWritten, kClean}), words({kClean, kWritten, kWritten, kClean}));
  CHECK(changes.held == Ranges{pages(0, 1), pages(3, 4)});
  CHECK(changes.to_read == Ranges{pages(1, 3)});
  CHECK(changes.vanished.empty());
  CHECK(changes.cleared == 0);
}

TEST_CASE("a page that is gone holds zeros, and one that was never there has nothing to be read") {
  const auto changes = changes_between(words({kClean, 0, kSwapped, kWritten}), words({0, 0, kSoftDirty, 0}));
  CHECK(changes.vanished == Ranges{pages(0, 1), pages(2, 4)});
  CHECK(changes.to_read.empty());
  CHECK(changes.held.empty());
}

TEST_CASE("a page that came since is read, whatever its bits say") {
  const auto changes = changes_between(words({0, kClean}), words({kClean, kClean, kClean, kWritten}));
  CHECK(changes.held == Ranges{pages(1, 2)});
  CHECK(changes.to_read == Ranges{pages(0, 1), pages(2, 4)});
}

TEST_CASE("pages that bits don't tell all of are read") {
  const Words now{
      kPresent,                               // the page of zeros, where one was given back and read since
      kPresent | kExclusive | kFileOrShared,  // a file's, or the huge page of zeros
      kSwapped,                               // or something that looks like it
      kPresent | kSwapped | kExclusive,       // never so
      kClean,                                 // was swapped out when it was copied
      kClean,                                 // was shared by a fork then
      kClean,
  };
  const auto changes = changes_between(words({kClean, kClean, kClean, kClean, kSwapped, kPresent, kClean}), words(now));
  CHECK(changes.to_read == Ranges{pages(0, 6)});
  CHECK(changes.held == Ranges{pages(6, 7)});
}

TEST_CASE("another frame at the same place is read") {
  const auto changes = changes_between(words({kClean | 5, kClean | 6}), words({kClean | 5, kClean | 7}));
  CHECK(changes.held == Ranges{pages(0, 1)});
  CHECK(changes.to_read == Ranges{pages(1, 2)});
}

TEST_CASE("what was copied and then forgotten is read") {
  auto copied = words({kClean, kClean, kClean});
  const Ranges unreadable{pages(1, 2)};
  copied.forget(unreadable);
  const auto changes = changes_between(copied, words({kClean, kClean, kClean}));
  CHECK(changes.to_read == unreadable);
  CHECK(changes.held == Ranges{pages(0, 1), pages(2, 3)});
}

TEST_CASE("bits that somebody else has cleared are noticed") {
  CHECK(changes_between(words({kClean, kWritten}), words({kClean, kClean})).cleared == kBase + kPage);
  auto copied = words({kClean, kClean | 5, kClean | 6});
  copied.note_dirty(words({kClean, kWritten | 5, kWritten | 7}));
  CHECK(changes_between(copied, words({kClean, kWritten | 5, kClean | 7})).cleared == 0);
  CHECK(changes_between(copied, words({kClean, kClean | 5, kClean | 7})).cleared == kBase + kPage);
}

TEST_CASE("parts are looked up by address, not by place") {
  PageWords copied = words({kClean}, kBase + 8 * kPage);
  copied.add(words({kClean, kClean}));
  CHECK(copied.present() == Ranges{pages(0, 2), pages(8, 9)});
  const PageWords now({{kBase + kPage, {kClean, kClean}}, {kBase + 7 * kPage, {kClean, kClean, kClean}}});
  const auto changes = changes_between(copied, now);
  CHECK(changes.held == Ranges{pages(1, 2), pages(8, 9)});
  CHECK(changes.to_read == Ranges{pages(2, 3), pages(7, 8), pages(9, 10)});
}

}  // namespace gotrace::process
