// Structs (or stacks) at many addresses, read in few large pieces: addresses are sorted and merged into ranges, since
// one large read costs far less than many small ones.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/byte_reader.h"
#include "process/memory.h"

namespace gotrace::goruntime {

struct ReadPlan {
  struct Range {
    process::Address begin = 0;
    std::uint64_t size = 0;   // bytes
    std::uint32_t first = 0;  // of `order`
    std::uint32_t count = 0;
  };
  std::vector<process::Address> addresses;
  std::vector<std::uint32_t> order;  // indices into addresses, by rising address; impossible addresses are left out
  std::vector<Range> ranges;
  std::vector<std::uint32_t> sizes;  // bytes of each; empty: `size` bytes each
  std::uint32_t size = 0;
  [[nodiscard]] std::uint32_t size_of(std::uint32_t index) const { return sizes.empty() ? size : sizes[index]; }
};

// Ranges of at most 1 MiB, with gaps below 2 KiB read along. `size` must not be 0. At most 2^32 - 1 addresses.
[[nodiscard]] ReadPlan make_read_plan(std::vector<process::Address> addresses, std::uint32_t size);
// The same with a size for each address, of at most 1 MiB.
[[nodiscard]] ReadPlan make_read_plan(std::vector<process::Address> addresses, std::vector<std::uint32_t> sizes);

// Bytes that are written before they are read: kept by who reads often, so that no read pays for fresh pages.
class ReadBuffer {
 public:
  [[nodiscard]] std::span<std::byte> at_least(std::size_t size);

 private:
  std::unique_ptr<std::byte[]> bytes_;
  std::size_t size_ = 0;
};

// Called with the index of the address and its bytes, which are valid during the call only.
using VisitStruct = std::function<void(std::uint32_t index, Bytes bytes)>;

// Visits what could be read, by rising address; what could not is not visited.
void run_read_plan(process::RemoteMemory& memory, const ReadPlan& plan, const VisitStruct& visit);
// The same by way of a buffer that is kept; `visit` must not use it.
void run_read_plan(process::RemoteMemory& memory, const ReadPlan& plan, ReadBuffer& buffer, const VisitStruct& visit);

}  // namespace gotrace::goruntime
