#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <ctime>
#include <string_view>

#include "goruntime/goroutine_reader_list.h"
#include "process/elf_image.h"
#include "proof/snapshot_blocks.h"
#include "proof/snapshot_facts.h"
#include "proof/snapshot_file.h"

namespace gotrace::proof {
namespace {

using process::Address;
using process::MemoryRange;

constexpr std::uint64_t kPage = 4096;
constexpr std::size_t kRangesPerBlock = kMostBlockBytes / 16;

bool all_zero(Bytes bytes) {
  return bytes.empty() ||
         (bytes[0] == std::byte{0} && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

class SnapshotWriting {
 public:
  SnapshotWriting(PendingFile& file, const goruntime::Program& program, const Captured& captured)
      : blocks_(file), program_(program), captured_(captured) {}
  [[nodiscard]] Status run(std::vector<MemoryRange> beyond);

 private:
  [[nodiscard]] SnapshotFacts facts(const process::ElfImage& image) const;
  [[nodiscard]] std::vector<MemoryRange> made_read_only(const process::ElfImage& image) const;
  [[nodiscard]] std::vector<MemoryRange> not_in_file(const process::ElfImage& image,
                                                     std::vector<MemoryRange> ranges) const;
  [[nodiscard]] Status put_ranges(RangeList list, std::span<const MemoryRange> ranges);
  [[nodiscard]] Status put_executable(const process::ElfImage& image);
  [[nodiscard]] Status put_memory(std::span<const MemoryRange> ranges);

  BlockWriter blocks_;
  const goruntime::Program& program_;
  const Captured& captured_;
};

SnapshotFacts SnapshotWriting::facts(const process::ElfImage& image) const {
  const auto info = program_.target_info();
  SnapshotFacts facts;
  facts.process = {.pid = info.pid,
                   .ns_pid = info.ns_pid,
                   .host = info.host,
                   .cgroup = info.cgroup,
                   .exe = info.exe,
                   .exe_deleted = info.exe_deleted,
                   .started_wall_ns = info.started_wall_ns,
                   .started_ns = info.started_ns,
                   .load_bias = program_.load_bias()};
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  const auto since = static_cast<std::int64_t>(goruntime::monotonic_ns() - captured_.resumed_ns);
  facts.wall_ns = std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec - since;
  facts.stopped_ns = captured_.stopped_ns;
  facts.resumed_ns = captured_.resumed_ns;
  facts.pause_ns = captured_.pause_ns;
  facts.prediction = captured_.prediction;
  facts.copied_bytes = captured_.copied_bytes;
  facts.foreign_complete = captured_.foreign_complete;
  facts.executable_bytes = image.file().size();
  return facts;
}

// Pages of the executable that are writable by its headers, and were not copied because they are not any more: the
// loader has put addresses into them first. They have not changed since.
std::vector<MemoryRange> SnapshotWriting::made_read_only(const process::ElfImage& image) const {
  std::vector<MemoryRange> ranges;
  std::array<std::byte, kPage> page{};
  for (const process::Segment& segment : image.segments()) {
    if (!segment.writable) continue;
    const Address begin = segment.address + program_.load_bias();
    for (Address at = begin / kPage * kPage; at < begin + segment.memory_size; at += kPage)
      if (!captured_.snapshot->bytes(at, 1) && captured_.target->memory().read(at, page))
        ranges.push_back({at, at + kPage});
  }
  return ranges;
}

Status SnapshotWriting::put_ranges(RangeList list, std::span<const MemoryRange> ranges) {
  while (!ranges.empty()) {
    const auto part = ranges.first(std::min(ranges.size(), kRangesPerBlock));
    if (auto put = blocks_.put(BlockKind::ranges, static_cast<std::uint64_t>(list), encode(part)); !put) return put;
    ranges = ranges.subspan(part.size());
  }
  return success();
}

// Debug information is the larger part of most, and nothing here reads it.
Status SnapshotWriting::put_executable(const process::ElfImage& image) {
  std::vector<MemoryRange> left_out;
  for (const process::Section& section : image.sections())
    if (section.name.starts_with(".debug_") || section.name.starts_with(".zdebug_"))
      left_out.push_back({section.file_offset, section.file_offset + section.size});
  left_out = process::merged(std::move(left_out));
  const Bytes file = image.file();
  auto next = left_out.begin();
  for (std::uint64_t at = 0; at < file.size();) {
    while (next != left_out.end() && next->end <= at) ++next;
    if (next != left_out.end() && next->begin <= at) {
      at = next->end;
      continue;
    }
    const std::uint64_t end = next != left_out.end() ? std::min<std::uint64_t>(next->begin, file.size()) : file.size();
    const Bytes part = file.subspan(at, std::min<std::uint64_t>(end - at, kMostBlockBytes));
    if (!all_zero(part))
      if (auto put = blocks_.put(BlockKind::executable, at, part); !put) return put;
    at += part.size();
  }
  return success();
}

Status SnapshotWriting::put_memory(std::span<const MemoryRange> ranges) {
  std::vector<std::byte> space(kMostBlockBytes);
  for (const MemoryRange& range : ranges) {
    for (Address at = range.begin; at < range.end;) {
      const auto part = std::span(space).first(std::min<std::uint64_t>(range.end - at, kMostBlockBytes));
      if (!captured_.target->memory().read(at, part))
        return failure(fmt::format("pid {} ({}): has ended before all of the snapshot was written; nothing is kept",
                                   program_.target().pid(), program_.target().exe()));
      if (!all_zero(part))
        if (auto put = blocks_.put(BlockKind::memory, at, part); !put) return put;
      at += part.size();
    }
  }
  return success();
}

// What is in the executable's file is not needed twice.
std::vector<MemoryRange> SnapshotWriting::not_in_file(const process::ElfImage& image,
                                                      std::vector<MemoryRange> ranges) const {
  std::erase_if(ranges, [&](const MemoryRange& range) {
    const Address begin = range.begin - program_.load_bias();
    return std::ranges::any_of(image.segments(), [&](const process::Segment& segment) {
      return !segment.writable && begin >= segment.address && begin - segment.address <= segment.file_size &&
             range.size() <= segment.file_size - (begin - segment.address);
    });
  });
  return ranges;
}

Status SnapshotWriting::run(std::vector<MemoryRange> beyond) {
  const auto image = process::ElfImage::map(program_.target().exe_fd());
  if (!image) return image.error();
  const auto copied = process::merged(captured_.snapshot->ranges());
  const auto read_only = made_read_only(*image);
  beyond = not_in_file(*image, std::move(beyond));
  beyond.insert(beyond.end(), read_only.begin(), read_only.end());
  beyond = process::merged(std::move(beyond));
  if (auto put = blocks_.start(); !put) return put;
  if (auto put = blocks_.put(BlockKind::facts, 0, encode(facts(*image))); !put) return put;
  for (const auto& thread : captured_.threads)
    if (auto put = blocks_.put(BlockKind::thread, 0, encode(thread)); !put) return put;
  if (auto put = put_ranges(RangeList::copied, copied); !put) return put;
  if (auto put = put_ranges(RangeList::foreign, captured_.foreign); !put) return put;
  if (auto put = put_ranges(RangeList::unreadable, captured_.unreadable); !put) return put;
  if (auto put = put_ranges(RangeList::beyond, beyond); !put) return put;
  if (auto put = put_executable(*image); !put) return put;
  if (auto put = put_memory(copied); !put) return put;
  if (auto put = put_memory(beyond); !put) return put;
  return blocks_.put(BlockKind::end, 0, {});
}

}  // namespace

Status write_snapshot(PendingFile& file, const goruntime::Program& program, const Captured& captured,
                      const std::vector<MemoryRange>& beyond) {
  return SnapshotWriting(file, program, captured).run(beyond);
}

}  // namespace gotrace::proof
