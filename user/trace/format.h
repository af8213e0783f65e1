// The container of a trace file: its first bytes, the header of a chunk, and the limits that both sides keep to.
// Described for people in docs/trace-format.md; what a chunk holds is in include/gotrace/trace.proto.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/byte_reader.h"

namespace gotrace::trace {

// A reader refuses another major version; a higher minor one only adds record types and fields, which are skipped.
constexpr std::uint16_t kMajor = 1;
constexpr std::uint16_t kMinor = 4;

constexpr std::string_view kMagic = "\x89GTL";  // not ASCII: no text file starts like this
constexpr std::size_t kFileHeaderBytes = 8;     // magic, major, minor
constexpr std::string_view kSyncMarker = "\xd7GTchunk";
constexpr std::size_t kChunkHeaderBytes = 40;

// What a writer aims at: a killed recorder loses what is not yet in a chunk.
constexpr std::size_t kChunkTargetBytes = 128U << 10;
// A little under a second, so that looks which are a second apart close a chunk each.
constexpr std::uint64_t kChunkTargetNs = 900'000'000;

// What a reader puts up with, and a writer therefore never exceeds.
constexpr std::uint32_t kMaxCompressedBytes = 16U << 20;
constexpr std::uint32_t kMaxPayloadBytes = 64U << 20;
constexpr std::size_t kMaxRecordBytes = 8U << 20;
constexpr std::size_t kMaxStringBytes = 64U << 10;
constexpr std::size_t kMaxElements = 1U << 20;  // of one list
constexpr std::size_t kMaxWaitObjects = 8;      // as GoroutineState promises
constexpr std::uint32_t kMaxId = 1U << 24;      // of locations and stacks; a consumer may use ids as indices

enum class ChunkKind : std::uint32_t { records = 0, end = 1 };

struct ChunkHeader {
  std::uint32_t kind = 0;  // ChunkKind; others are skipped
  std::uint32_t sequence = 0;
  std::uint32_t compressed_bytes = 0;
  std::uint32_t payload_bytes = 0;  // uncompressed
  std::uint32_t records = 0;
  std::uint64_t checksum = 0;  // XXH64 of the compressed bytes
};

using ChunkHeaderBytes = std::array<char, kChunkHeaderBytes>;
[[nodiscard]] ChunkHeaderBytes encode(const ChunkHeader& header);
// nullopt: not a header, or a damaged one (marker or the header's own checksum). REQUIRES kChunkHeaderBytes bytes;
// fewer are not a header either.
[[nodiscard]] std::optional<ChunkHeader> decode_chunk_header(Bytes bytes);

[[nodiscard]] std::array<char, kFileHeaderBytes> file_header();
[[nodiscard]] std::uint64_t checksum(Bytes bytes);

}  // namespace gotrace::trace
