#include "process/mapping_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <fstream>
#include <map>
#include <string_view>

#include "process/proc_text.h"

namespace gotrace::process {
namespace {

constexpr std::uint64_t kRest = 500;
constexpr std::uint64_t kLongestRest = 8'000'000'000;  // so that ten seconds have two looks, unless one takes very long
constexpr std::uint64_t kVeryLong = 400'000'000;
constexpr std::uint64_t kMostMappings = 1U << 17;  // twice the kernel's default max_map_count

struct Part {
  std::uint64_t bytes = 0;
  std::uint64_t mappings = 0;
};

// "c000000000-c000400000 rw-p 00000000 00:00 0    [anon: Go: heap]": the line that begins a mapping.
std::optional<std::uint64_t> begin_of(std::string_view line) {
  std::uint64_t begin = 0;
  const auto [stop, error] = std::from_chars(line.data(), line.data() + line.size(), begin, 16);
  const bool header = error == std::errc() && stop != line.data() + line.size() && *stop == '-';
  return header ? std::optional(begin) : std::nullopt;
}

}  // namespace

MappingParts::MappingParts(pid_t pid, std::function<bool(std::uint64_t)> is_go_heap, std::string root)
    : pid_(pid), is_go_heap_(std::move(is_go_heap)), root_(std::move(root)) {}

std::optional<ResourceLook> MappingParts::look(std::uint64_t now_ns) {
  if (now_ns < next_ns_) return std::nullopt;
  const auto began = std::chrono::steady_clock::now();
  std::ifstream file(fmt::format("{}/proc/{}/smaps", root_, pid_));
  if (!file) return std::nullopt;
  std::map<std::string, Part> parts;
  Part* part = nullptr;
  std::uint64_t mappings = 0;
  for (std::string line; std::getline(file, line) && mappings <= kMostMappings;) {
    if (const auto begin = begin_of(line)) {
      ++mappings;
      const auto words = words_of(line);
      const std::string_view name = words.size() > 5 ? words[5] : std::string_view();
      const bool shared = words.size() > 1 && words[1].size() == 4 && words[1][3] == 's';
      const char* kind = name.starts_with('/')                      ? "files"
                         : name == "[heap]"                         ? "c heap"
                         : name.starts_with("[stack")               ? "stack"
                         : name == "[vdso]" || name == "[vsyscall]" ? "files"
                         : shared                                   ? "shared"
                         : is_go_heap_(*begin)                      ? "go heap"
                                                                    : "anonymous";
      part = &parts[kind];
      ++part->mappings;
    } else if (part != nullptr && (line.starts_with("Rss:") || line.starts_with("Swap:"))) {
      const auto numbers = numbers_after(line, line.starts_with("Rss:") ? "Rss:" : "Swap:");
      if (!numbers.empty()) part->bytes += numbers.front() * 1024;
    }
  }
  ResourceLook look;
  look.time_ns = now_ns;
  look.kind = ResourceKind::mappings;
  look.complete = mappings <= kMostMappings;
  for (const auto& [kind, one] : parts) {
    look.counts.push_back({kind, LocationId::none, 0, one.bytes});
    look.counts.push_back({kind + std::string(" mappings"), LocationId::none, 0, one.mappings});
    look.total += one.bytes;
  }
  const auto took = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - began).count());
  next_ns_ = now_ns + (took < kVeryLong ? std::min(kRest * took, kLongestRest) : kRest * took);
  return look;
}

}  // namespace gotrace::process
