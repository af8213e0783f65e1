#include "process/snapshot.h"

#include <sys/mman.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <limits>

namespace gotrace::process {
namespace {

constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();
constexpr std::size_t kPage = 4096;

// Pages of our own process, the one at `hole` not mapped.
class Pages {
 public:
  explicit Pages(std::size_t count, std::size_t hole) : count_(count) {
    base_ = static_cast<std::byte*>(
        ::mmap(nullptr, count * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    for (std::size_t i = 0; i < count; ++i) std::memset(base_ + i * kPage, static_cast<int>('a' + i), kPage);
    if (hole < count) ::munmap(base_ + hole * kPage, kPage);
  }
  ~Pages() { ::munmap(base_, count_ * kPage); }
  [[nodiscard]] Address at(std::size_t page, std::size_t offset = 0) const {
    return reinterpret_cast<Address>(base_) + page * kPage + offset;
  }
  [[nodiscard]] MemoryRange range(std::size_t first, std::size_t end) const { return {at(first), at(end)}; }
  [[nodiscard]] std::byte* data() { return base_; }

 private:
  std::size_t count_;
  std::byte* base_;
};

char first_of(Bytes bytes) { return static_cast<char>(bytes[0]); }

}  // namespace

TEST_CASE("ranges are merged") {
  CHECK(merged({{30, 40}, {10, 20}, {20, 25}, {5, 5}, {12, 14}}) == std::vector<MemoryRange>{{10, 25}, {30, 40}});
  CHECK(merged({}).empty());
}

TEST_CASE("no file can be made for a snapshot where there is no folder, or no file without a name") {
  Snapshot snapshot;
  for (const char* folder : {"/nonexistent", "/proc"}) {
    const auto made = snapshot.lie_in(folder);
    REQUIRE_FALSE(made.ok());
    CHECK(made.error().text.find(folder) != std::string::npos);
  }
}

TEST_CASE("a snapshot keeps what was there") {
  Pages pages(8, 99);
  Snapshot snapshot;
  if (GENERATE(false, true)) REQUIRE(snapshot.lie_in(".").ok());
  REQUIRE(snapshot.reserve(1 << 20).ok());
  const std::vector<MemoryRange> ranges{pages.range(0, 2), pages.range(4, 6)};
  REQUIRE(snapshot.add(ranges).ok());
  CHECK(snapshot.size() == 4 * kPage);
  const auto progress = snapshot.copy(::getpid(), ranges, 2, kNever);
  CHECK_FALSE(progress.late);
  CHECK(progress.unreadable.empty());
  std::memset(pages.data(), 'z', 6 * kPage);
  const auto kept = snapshot.bytes(pages.at(1, 8), 16);
  REQUIRE(kept);
  CHECK(first_of(*kept) == 'b');
  CHECK_FALSE(snapshot.bytes(pages.at(1), kPage + 1));  // reaches into what was not copied
  CHECK_FALSE(snapshot.bytes(pages.at(2), 1));
  CHECK_FALSE(snapshot.bytes(pages.at(1), std::numeric_limits<std::uint64_t>::max()));
  std::byte into[8];
  CHECK(snapshot.read(pages.at(5), into));
  CHECK(first_of(into) == 'f');
  CHECK_FALSE(snapshot.read(pages.at(2), into));
  LiveMemory live(::getpid());
  snapshot.fall_back_to(&live);
  CHECK(snapshot.read(pages.at(2), into));
  CHECK(first_of(into) == 'z');
}

TEST_CASE("what can't be read is told, and holds zeros") {
  Pages pages(6, 3);
  Snapshot snapshot;
  const std::vector<MemoryRange> ranges{pages.range(0, 6)};
  REQUIRE(snapshot.add_sparse(ranges).ok());
  const auto progress = snapshot.copy(::getpid(), ranges, 1, kNever);
  CHECK(progress.unreadable == std::vector<MemoryRange>{pages.range(3, 4)});
  CHECK(first_of(*snapshot.bytes(pages.at(3), 1)) == '\0');
  CHECK(first_of(*snapshot.bytes(pages.at(5), 1)) == 'f');
}

TEST_CASE("a copy whose time is up stops") {
  Pages pages(4, 99);
  Snapshot snapshot;
  const std::vector<MemoryRange> ranges{pages.range(0, 4)};
  REQUIRE(snapshot.add(ranges).ok());
  CHECK(snapshot.copy(::getpid(), ranges, 2, 1).late);
}

TEST_CASE("what was copied into memory set aside is there when it is added again, whatever its borders are") {
  Pages pages(8, 99);
  Snapshot snapshot;
  REQUIRE(snapshot.set_aside({pages.range(0, 6)}).ok());
  CHECK(snapshot.is_set_aside(pages.range(1, 6)));
  CHECK_FALSE(snapshot.is_set_aside(pages.range(5, 7)));
  CHECK_FALSE(snapshot.bytes(pages.at(1), 1));
  const std::vector<MemoryRange> first{pages.range(1, 3), pages.range(4, 5)};
  REQUIRE(snapshot.add(first).ok());
  CHECK(snapshot.copy(::getpid(), first, 1, kNever).unreadable.empty());
  snapshot.start_over();
  CHECK(snapshot.size() == 0);
  CHECK_FALSE(snapshot.bytes(pages.at(1), 1));
  const std::vector<MemoryRange> second{pages.range(2, 5), pages.range(6, 8)};
  REQUIRE(snapshot.add(second).ok());
  CHECK(snapshot.ranges() == second);
  CHECK(first_of(*snapshot.bytes(pages.at(2), 3 * kPage)) == 'c');
  CHECK(first_of(*snapshot.bytes(pages.at(3), kPage)) == '\0');
  CHECK(first_of(*snapshot.bytes(pages.at(4), kPage)) == 'e');
  CHECK_FALSE(snapshot.bytes(pages.at(1), 1));
  const std::vector<MemoryRange> gone{pages.range(4, 5)};
  snapshot.fill_with_zeros(gone);
  CHECK(first_of(*snapshot.bytes(pages.at(4), kPage)) == '\0');
}

TEST_CASE("a copy that is not what is there any more is told") {
  Pages pages(8, 6);
  Snapshot snapshot;
  const std::vector<MemoryRange> ranges{pages.range(0, 3), pages.range(4, 6)};
  REQUIRE(snapshot.add(ranges).ok());
  (void)snapshot.copy(::getpid(), ranges, 1, kNever);
  CHECK(snapshot.find_difference(::getpid(), ranges, kNever) == 0);
  *(pages.data() + 5 * kPage - 1) = std::byte{1};
  CHECK(snapshot.find_difference(::getpid(), ranges, kNever) == pages.at(4));
  CHECK(snapshot.find_difference(::getpid(), std::vector<MemoryRange>{pages.range(0, 3)}, kNever) == 0);
  CHECK_FALSE(snapshot.find_difference(::getpid(), ranges, 1));
}

TEST_CASE("pages that were never touched are not present") {
  void* memory = ::mmap(nullptr, 16 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const auto begin = reinterpret_cast<Address>(memory);
  std::memset(static_cast<std::byte*>(memory) + 3 * kPage, 1, 2 * kPage);
  const auto present = present_ranges(::getpid(), {begin, begin + 16 * kPage});
  REQUIRE(present);
  bool found = false;
  for (const MemoryRange& range : *present)
    found = found || (range.begin <= begin + 3 * kPage && range.end >= begin + 5 * kPage);
  CHECK(found);
  ::munmap(memory, 16 * kPage);
}

}  // namespace gotrace::process
