#include "process/executable_memory.h"

#include <algorithm>

namespace gotrace::process {

bool ExecutableMemory::read(Address address, std::span<std::byte> into) {
  const Address linked = address - bias_;
  for (const Segment& segment : image_.segments()) {
    if (segment.writable || linked < segment.address) continue;
    const auto bytes = slice(image_.contents(segment), linked - segment.address, into.size());
    if (!bytes) continue;
    std::ranges::copy(*bytes, into.begin());
    return true;
  }
  return false;
}

}  // namespace gotrace::process
