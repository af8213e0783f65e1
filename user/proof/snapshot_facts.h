// What the blocks of a snapshot file hold, but for memory: facts, threads, ranges.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "base/byte_reader.h"
#include "proof/capture.h"

namespace gotrace::proof {

struct SnapshotFacts {
  process::PostMortem process;
  std::int64_t wall_ns = 0;
  std::uint64_t stopped_ns = 0, resumed_ns = 0, pause_ns = 0;
  PausePrediction prediction;
  std::uint64_t copied_bytes = 0;
  bool foreign_complete = true;
  std::uint64_t executable_bytes = 0;
};

// Which list a block of ranges belongs to.
enum class RangeList : std::uint64_t { copied = 0, foreign = 1, unreadable = 2, beyond = 3 };

// decode: nullopt when it is not what encode writes. A newer writer may have added to the end.
[[nodiscard]] std::vector<std::byte> encode(const SnapshotFacts& facts);
[[nodiscard]] std::optional<SnapshotFacts> decode_facts(Bytes bytes);
[[nodiscard]] std::vector<std::byte> encode(const process::StoppedThread& thread);
[[nodiscard]] std::optional<process::StoppedThread> decode_thread(Bytes bytes);
[[nodiscard]] std::vector<std::byte> encode(std::span<const process::MemoryRange> ranges);
[[nodiscard]] std::optional<std::vector<process::MemoryRange>> decode_ranges(Bytes bytes);

}  // namespace gotrace::proof
