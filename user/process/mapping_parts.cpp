#include "process/mapping_parts.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <fstream>
#include <map>
#include <string_view>
#include <vector>

#include "base/unique_fd.h"
#include "process/proc_text.h"

namespace gotrace::process {
namespace {

constexpr std::uint64_t kRest = 500;
constexpr std::uint64_t kLongestRest = 8'000'000'000;  // so that ten seconds have two looks, unless one takes very long
constexpr std::uint64_t kVeryLong = 400'000'000;
constexpr std::uint64_t kMostMappings = 1U << 17;  // twice the kernel's default max_map_count
constexpr std::uint64_t kMostPages = 1U << 24;     // 64 GiB of addresses
constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kPresentOrSwapped = 3ULL << 62;  // Documentation/admin-guide/mm/pagemap.rst, Linux 5.10

struct Part {
  std::uint64_t bytes = 0;
  std::uint64_t mappings = 0;
};

struct Range {
  std::uint64_t begin = 0, end = 0;
};

// "c000000000-c000400000"
std::optional<Range> range_of(std::string_view word) {
  Range range;
  const char* const end = word.data() + word.size();
  const auto [dash, error] = std::from_chars(word.data(), end, range.begin, 16);
  if (error != std::errc() || dash == end || *dash != '-') return std::nullopt;
  const auto [stop, error_of_end] = std::from_chars(dash + 1, end, range.end, 16);
  if (error_of_end != std::errc() || stop != end || range.end <= range.begin) return std::nullopt;
  return range;
}

// Private memory that can be written to and is no file's; empty: not looked at.
const char* part_of(const std::vector<std::string_view>& words) {
  if (words.size() < 2 || words[1].size() != 4 || words[1][1] != 'w' || words[1][3] != 'p') return "";
  const std::string_view name = words.size() > 5 ? words[5] : std::string_view();
  if (name == "[heap]") return "c heap";
  return name.empty() || name.starts_with("[anon") ? "anonymous" : "";
}

std::optional<std::uint64_t> bytes_in_use(int pagemap, const Range& range) {
  std::array<std::uint64_t, 8192> entries{};
  std::uint64_t pages = 0;
  for (std::uint64_t at = range.begin; at < range.end;) {
    const std::size_t wanted = std::min<std::size_t>(entries.size(), (range.end - at + kPage - 1) / kPage);
    const ssize_t got = ::pread(pagemap, entries.data(), 8 * wanted, static_cast<off_t>(at / kPage * 8));
    if (got <= 0 || got % 8 != 0) return std::nullopt;
    const std::size_t count = static_cast<std::size_t>(got) / 8;
    pages +=
        static_cast<std::uint64_t>(std::count_if(entries.begin(), entries.begin() + count,
                                                 [](std::uint64_t entry) { return (entry & kPresentOrSwapped) != 0; }));
    at += count * kPage;
  }
  return pages * kPage;
}

}  // namespace

MappingParts::MappingParts(pid_t pid, std::function<bool(std::uint64_t)> is_go_heap, std::string root)
    : pid_(pid), is_go_heap_(std::move(is_go_heap)), root_(std::move(root)) {}

std::optional<ResourceLook> MappingParts::look(std::uint64_t now_ns) {
  if (now_ns < next_ns_) return std::nullopt;
  const auto began = std::chrono::steady_clock::now();
  std::ifstream file(fmt::format("{}/proc/{}/maps", root_, pid_));
  const UniqueFd pagemap(::open(fmt::format("{}/proc/{}/pagemap", root_, pid_).c_str(), O_RDONLY | O_CLOEXEC));
  if (!file || !pagemap) return std::nullopt;
  std::map<std::string, Part> parts;
  std::uint64_t mappings = 0;
  std::uint64_t pages = 0;
  for (std::string line; mappings <= kMostMappings && std::getline(file, line); ++mappings) {
    const auto words = words_of(line);
    const auto range = words.empty() ? std::nullopt : range_of(words[0]);
    const std::string kind = part_of(words);
    if (!range || kind.empty() || is_go_heap_(range->begin)) continue;
    Part& part = parts[kind];
    ++part.mappings;
    pages += (range->end - range->begin) / kPage;
    if (pages > kMostPages) break;
    part.bytes += bytes_in_use(pagemap.get(), *range).value_or(0);  // it may be gone by now
  }
  ResourceLook look;
  look.time_ns = now_ns;
  look.kind = ResourceKind::mappings;
  look.complete = mappings <= kMostMappings && pages <= kMostPages;
  for (const auto& [kind, one] : parts) {
    look.counts.push_back({kind, LocationId::none, 0, one.bytes});
    look.counts.push_back({kind + " mappings", LocationId::none, 0, one.mappings});
    look.total += one.bytes;
  }
  const auto took = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - began).count());
  next_ns_ = now_ns + (took < kVeryLong ? std::min(kRest * took, kLongestRest) : kRest * took);
  return look;
}

}  // namespace gotrace::process
