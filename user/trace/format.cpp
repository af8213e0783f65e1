#include "trace/format.h"

#include <xxhash.h>

#include <bit>
#include <cstring>

namespace gotrace::trace {
namespace {

static_assert(std::endian::native == std::endian::little, "the file is little endian and written as it lies in memory");
static_assert(kMagic.size() + 2 * sizeof(std::uint16_t) == kFileHeaderBytes);

// marker, 5 x u32, u64 checksum; then the u32 check of all that.
constexpr std::size_t kCheckedBytes = kChunkHeaderBytes - sizeof(std::uint32_t);

template <typename T>
void put(char*& at, T value) {
  std::memcpy(at, &value, sizeof(value));
  at += sizeof(value);
}

std::uint32_t header_check(Bytes bytes) { return static_cast<std::uint32_t>(checksum(bytes.first(kCheckedBytes))); }

}  // namespace

std::uint64_t checksum(Bytes bytes) { return XXH64(bytes.data(), bytes.size(), 0); }

ChunkHeaderBytes encode(const ChunkHeader& header) {
  ChunkHeaderBytes bytes{};
  char* at = bytes.data();
  std::memcpy(at, kSyncMarker.data(), kSyncMarker.size());
  at += kSyncMarker.size();
  put(at, header.kind);
  put(at, header.sequence);
  put(at, header.compressed_bytes);
  put(at, header.payload_bytes);
  put(at, header.records);
  put(at, header.checksum);
  put(at, header_check(std::as_bytes(std::span(bytes))));
  return bytes;
}

std::optional<ChunkHeader> decode_chunk_header(Bytes bytes) {
  ByteReader in(bytes);
  const auto marker = in.take(kSyncMarker.size());
  if (!marker || std::memcmp(marker->data(), kSyncMarker.data(), kSyncMarker.size()) != 0) return std::nullopt;
  const auto check = load<std::uint32_t>(bytes, kCheckedBytes);
  if (!check || *check != header_check(bytes)) return std::nullopt;
  ChunkHeader header;
  header.kind = in.read<std::uint32_t>().value_or(0);  // the size was checked just above, by reading the last field
  header.sequence = in.read<std::uint32_t>().value_or(0);
  header.compressed_bytes = in.read<std::uint32_t>().value_or(0);
  header.payload_bytes = in.read<std::uint32_t>().value_or(0);
  header.records = in.read<std::uint32_t>().value_or(0);
  header.checksum = in.read<std::uint64_t>().value_or(0);
  return header;
}

std::array<char, kFileHeaderBytes> file_header() {
  std::array<char, kFileHeaderBytes> bytes{};
  std::memcpy(bytes.data(), kMagic.data(), kMagic.size());
  char* at = bytes.data() + kMagic.size();
  put(at, kMajor);
  put(at, kMinor);
  return bytes;
}

}  // namespace gotrace::trace
