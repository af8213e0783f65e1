// RecentPages: another memory, read by the page, the last few pages being kept until they are told to be forgotten: for
// what asks for a byte here and a byte there. What it says is as old as its pages.
#pragma once

#include <array>
#include <vector>

#include "process/memory.h"

namespace gotrace::process {

class RecentPages final : public RemoteMemory {
 public:
  // Keeps at most so many pages of 4 KiB, by their address modulo `pages`. `memory` must outlive it.
  RecentPages(RemoteMemory& memory, std::size_t pages) : memory_(memory), pages_(pages) {}

  [[nodiscard]] bool read(Address address, std::span<std::byte> into) override;
  void forget();

 private:
  static constexpr std::uint64_t kPage = 4096;
  struct Page {
    Address begin = kNone;
    bool readable = false;
    std::array<std::byte, kPage> bytes{};
  };
  static constexpr Address kNone = 1;  // no page begins there
  [[nodiscard]] const Page& page_at(Address begin);

  RemoteMemory& memory_;
  std::vector<Page> pages_;
};

}  // namespace gotrace::process
