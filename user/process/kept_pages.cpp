#include "process/kept_pages.h"

#include <algorithm>

namespace gotrace::process {

const KeptPages::Page* KeptPages::page_at(Address address) {
  constexpr std::size_t kMostPages = 1U << 18;  // 1 GiB
  if (const auto known = pages_.find(address); known != pages_.end()) return &known->second;
  Page page;
  if (pages_.size() >= kMostPages || !memory_.read(address, page)) return nullptr;
  return &pages_.emplace(address, page).first->second;
}

bool KeptPages::read(Address address, std::span<std::byte> into) {
  while (!into.empty()) {
    const Address begin = address / kPage * kPage;
    const Page* page = page_at(begin);
    if (page == nullptr) return memory_.read(address, into);
    const std::size_t size = std::min<std::size_t>(into.size(), begin + kPage - address);
    std::ranges::copy(std::span(*page).subspan(address - begin, size), into.begin());
    into = into.subspan(size);
    address += size;
  }
  return true;
}

std::vector<MemoryRange> KeptPages::ranges() const {
  std::vector<MemoryRange> ranges;
  for (const auto& [address, page] : pages_) ranges.push_back({address, address + kPage});
  return merged(std::move(ranges));
}

}  // namespace gotrace::process
