// Is a file a Go program? By the magic of its build info (debug/buildinfo, Go 1.13 to 1.27).
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/byte_reader.h"
#include "process/process_list.h"

namespace gotrace::process {
namespace {

constexpr std::string_view kMagic = "\xff Go buildinf:";
constexpr std::size_t kAlignment = 16;
constexpr std::uint64_t kMostHeaders = 128;
constexpr std::uint64_t kLargestPart = 256ULL << 10;  // of one segment; the linker puts build info at its beginning
constexpr std::uint64_t kLargestTable = 64ULL << 10;
constexpr std::size_t kHeader = 64;         // Elf64_Ehdr
constexpr std::size_t kProgramHeader = 56;  // Elf64_Phdr
constexpr std::size_t kSectionHeader = 64;  // Elf64_Shdr

std::vector<std::byte> read_at(int fd, std::uint64_t offset, std::uint64_t size) {
  std::vector<std::byte> bytes(static_cast<std::size_t>(size));
  if (offset > static_cast<std::uint64_t>(INT64_MAX)) return {};
  const ssize_t got = ::pread(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
  bytes.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
  return bytes;
}

bool holds_magic(int fd, std::uint64_t offset, std::uint64_t size) {
  const auto bytes = read_at(fd, offset, std::min(size, kLargestPart));
  for (std::size_t at = 0; at + kMagic.size() <= bytes.size(); at += kAlignment) {
    if (std::equal(kMagic.begin(), kMagic.end(), reinterpret_cast<const char*>(bytes.data()) + at)) return true;
  }
  return false;
}

bool any_section_holds_magic(int fd, Bytes header) {
  constexpr std::string_view kName = ".go.buildinfo";
  const auto table_offset = load_or_zero<std::uint64_t>(header, 40);
  const auto count = load_or_zero<std::uint16_t>(header, 60);
  const auto names_index = load_or_zero<std::uint16_t>(header, 62);
  if (load_or_zero<std::uint16_t>(header, 58) != kSectionHeader || count > kMostHeaders) return false;
  const auto table = read_at(fd, table_offset, std::uint64_t{count} * kSectionHeader);
  const std::uint64_t names_at = std::uint64_t{names_index} * kSectionHeader;
  const auto names = read_at(fd, load_or_zero<std::uint64_t>(table, names_at + 24),
                             std::min(load_or_zero<std::uint64_t>(table, names_at + 32), kLargestTable));
  for (std::uint64_t at = 0; at + kSectionHeader <= table.size(); at += kSectionHeader) {
    if (c_string(names, load_or_zero<std::uint32_t>(table, at)) != kName) continue;
    return holds_magic(fd, load_or_zero<std::uint64_t>(table, at + 24), load_or_zero<std::uint64_t>(table, at + 32));
  }
  return false;
}

// Without sections: the beginnings of the segments with data (from 1.26 on it is in a read-only one for some).
bool any_segment_holds_magic(int fd, Bytes header) {
  constexpr std::uint32_t kLoad = 1;
  constexpr std::uint32_t kExecutable = 1;
  const auto table_offset = load_or_zero<std::uint64_t>(header, 32);
  const auto count = load_or_zero<std::uint16_t>(header, 56);
  if (load_or_zero<std::uint16_t>(header, 54) != kProgramHeader || count > kMostHeaders) return false;
  const auto table = read_at(fd, table_offset, std::uint64_t{count} * kProgramHeader);
  for (std::uint64_t at = 0; at + kProgramHeader <= table.size(); at += kProgramHeader) {
    if (load_or_zero<std::uint32_t>(table, at) != kLoad) continue;
    if ((load_or_zero<std::uint32_t>(table, at + 4) & kExecutable) != 0) continue;
    if (holds_magic(fd, load_or_zero<std::uint64_t>(table, at + 8), load_or_zero<std::uint64_t>(table, at + 32))) {
      return true;
    }
  }
  return false;
}

}  // namespace

bool looks_like_go(int exe_fd) {
  constexpr std::string_view kElf64 =
      "\x7f"
      "ELF\x02\x01";
  const auto header = read_at(exe_fd, 0, kHeader);
  if (header.size() < kHeader) return false;
  if (!std::equal(kElf64.begin(), kElf64.end(), reinterpret_cast<const char*>(header.data()))) return false;
  return any_section_holds_magic(exe_fd, header) || any_segment_holds_magic(exe_fd, header);
}

}  // namespace gotrace::process
