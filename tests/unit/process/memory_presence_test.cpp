#include "process/memory_presence.h"

#include <sys/mman.h>
#include <unistd.h>

#include <catch2/catch.hpp>

namespace gotrace::process {
namespace {

TEST_CASE("pages that were touched are present, others are not") {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  void* memory = ::mmap(nullptr, 4 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(memory != MAP_FAILED);
  REQUIRE(::madvise(memory, 4 * page, MADV_NOHUGEPAGE) == 0);
  auto* bytes = static_cast<volatile char*>(memory);
  bytes[0] = 1;
  bytes[page] = 1;
  const auto address = reinterpret_cast<Address>(memory);
  const PresentPages pages(::getpid());
  CHECK(pages.present(address, 2 * page));
  CHECK(pages.present(address + 8, page));
  CHECK_FALSE(pages.present(address + page, page + 1));
  CHECK_FALSE(pages.present(address, 4 * page));
  CHECK_FALSE(pages.present(~0ULL - 8, 64));
  ::munmap(memory, 4 * page);
}

TEST_CASE("memory is short when some of it is swapped out or a limit is near") {
  MemoryFigures figures;
  figures.limits = {{.kind = LimitKind::cgroup, .path = "/a", .bytes = 1000, .used_bytes = 900}};
  CHECK_FALSE(memory_is_short(figures));
  figures.limits[0].used_bytes = 960;
  CHECK(memory_is_short(figures));
  figures.limits.clear();
  figures.swap_bytes = 1;
  CHECK(memory_is_short(figures));
}

}  // namespace
}  // namespace gotrace::process
