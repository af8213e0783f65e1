// KeptPages: another memory, of which each page that was read is kept, and is what it was when it was read first.
#pragma once

#include <array>
#include <map>
#include <vector>

#include "process/memory.h"
#include "process/snapshot.h"

namespace gotrace::process {

class KeptPages final : public RemoteMemory {
 public:
  explicit KeptPages(RemoteMemory& memory) : memory_(memory) {}
  [[nodiscard]] bool read(Address address, std::span<std::byte> into) override;
  [[nodiscard]] std::vector<MemoryRange> ranges() const;  // by rising address

 private:
  static constexpr std::size_t kPage = 4096;
  using Page = std::array<std::byte, kPage>;
  [[nodiscard]] const Page* page_at(Address address);

  RemoteMemory& memory_;
  std::map<Address, Page> pages_;
};

}  // namespace gotrace::process
