#include "process/recent_pages.h"

#include <algorithm>

namespace gotrace::process {

const RecentPages::Page& RecentPages::page_at(Address begin) {
  Page& page = pages_[static_cast<std::size_t>((begin / kPage) % pages_.size())];
  if (page.begin != begin) {
    page.begin = begin;
    page.readable = memory_.read(begin, page.bytes);
  }
  return page;
}

bool RecentPages::read(Address address, std::span<std::byte> into) {
  if (into.size() >= kPage) return memory_.read(address, into);
  while (!into.empty()) {
    const Address begin = address / kPage * kPage;
    const Page& page = page_at(begin);
    if (!page.readable) return false;
    const std::size_t size = std::min<std::size_t>(into.size(), begin + kPage - address);
    std::ranges::copy(std::span(page.bytes).subspan(address - begin, size), into.begin());
    into = into.subspan(size);
    address += size;
  }
  return true;
}

void RecentPages::forget() {
  for (Page& page : pages_) page.begin = kNone;
}

}  // namespace gotrace::process
