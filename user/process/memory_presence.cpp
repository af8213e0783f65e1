#include "process/memory_presence.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

namespace gotrace::process {

bool memory_is_short(const MemoryFigures& figures) {
  constexpr std::uint64_t kNearlyPercent = 95;
  return figures.swap_bytes != 0 || std::ranges::any_of(figures.limits, [](const MemoryLimit& limit) {
           if (limit.kind != LimitKind::cgroup && limit.kind != LimitKind::machine) return false;
           return limit.used_bytes >= limit.bytes / 100 * kNearlyPercent;
         });
}

PresentPages::PresentPages(pid_t pid)
    : pagemap_(::open(fmt::format("/proc/{}/pagemap", pid).c_str(), O_RDONLY | O_CLOEXEC)) {}

// One 64-bit word a page, bit 63: present (Documentation/admin-guide/mm/pagemap.rst, Linux 5.10 to 6.18).
bool PresentPages::present(Address address, std::uint64_t size) const {
  constexpr std::uint64_t kLargest = 256ULL << 20;
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  if (!pagemap_ || size == 0 || size > kLargest || address > ~0ULL - size) return false;
  const std::uint64_t first = address / page;
  const std::uint64_t last = (address + size - 1) / page;
  std::vector<std::uint64_t> entries(static_cast<std::size_t>(last - first + 1));
  const auto bytes = entries.size() * sizeof(std::uint64_t);
  const auto at = static_cast<off_t>(first * sizeof(std::uint64_t));
  if (::pread(pagemap_.get(), entries.data(), bytes, at) != static_cast<ssize_t>(bytes)) return false;
  return std::ranges::all_of(entries, [](std::uint64_t entry) { return (entry >> 63) != 0; });
}

}  // namespace gotrace::process
