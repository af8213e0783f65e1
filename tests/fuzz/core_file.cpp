// The reader of cores over arbitrary bytes.
#include "process/core_file.h"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdlib>

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gotrace;
  UniqueFd fd(::memfd_create("input", MFD_CLOEXEC));
  require(::pwrite(fd.get(), data, size, 0) == static_cast<ssize_t>(size));
  auto core = process::CoreFile::open(std::move(fd), "input");
  if (!core) return 0;
  std::array<std::byte, 64> bytes{};
  for (const process::CoreSegment& segment : core->segments()) {
    require(segment.file_bytes <= segment.range.size() && segment.file_bytes <= size);
    if (segment.file_bytes >= bytes.size()) require(core->read(segment.range.begin, bytes));
  }
  (void)core->executable();
  return 0;
}
