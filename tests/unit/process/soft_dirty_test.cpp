#include "process/soft_dirty.h"

#include <sys/mman.h>

#include <catch2/catch.hpp>
#include <cstring>

#include "child.h"
#include "process/page_changes.h"

namespace gotrace::process {

// Kernels without soft-dirty bits take the request as well: what it did is tried out, never concluded from that.
TEST_CASE("soft-dirty bits are believed in only where they work") {
  constexpr std::size_t kBytes = 64U << 10;
  void* memory = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  std::memset(memory, 1, kBytes);
  const auto begin = reinterpret_cast<Address>(memory);
  const bool works = soft_dirty_works();  // clears those of this process
  *static_cast<volatile char*>(memory) = 2;
  const auto words = PageWords::read(::getpid(), {{begin, begin + kBytes}});
  REQUIRE(words);
  CHECK(words->present() == std::vector<MemoryRange>{{begin, begin + kBytes}});
  if (works) CHECK((words->parts().front().words.front() & page_word::kSoftDirty) != 0);
  if (works) CHECK((words->parts().front().words.back() & page_word::kSoftDirty) == 0);
  ::munmap(memory, kBytes);
}

TEST_CASE("clearing the bits of a process takes a moment and harms nobody") {
  testing::Child child({"sh", "-c", "echo ready; sleep 100 >/dev/null 2>&1; :"});
  child.line();
  const auto target = Target::open(child.pid());
  REQUIRE(target.ok());
  CHECK(may_clear_soft_dirty(*target));
  CHECK(clear_soft_dirty(*target).ok());
  CHECK(target->alive());
  child.end();
  CHECK_FALSE(clear_soft_dirty(*target).ok());
}

}  // namespace gotrace::process
