#include "proof/snapshot_blocks.h"

#include <fmt/format.h>
#include <unistd.h>
#include <xxhash.h>
#include <zstd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <new>

namespace gotrace::proof {
namespace {

static_assert(std::endian::native == std::endian::little, "the file is written as it lies in memory");

constexpr std::size_t kCheckedBytes = kBlockHeaderBytes - sizeof(std::uint64_t);

struct BlockHeader {
  std::uint32_t kind = 0;
  std::uint32_t number = 0;  // from 0: one that is missing is missed
  std::uint32_t stored_bytes = 0;
  std::uint32_t plain_bytes = 0;
  std::uint64_t address = 0;
  std::uint64_t checksum = 0;  // of the stored bytes
  std::uint64_t check = 0;     // of the header up to here
};
static_assert(sizeof(BlockHeader) == kBlockHeaderBytes);

std::uint64_t checksum(Bytes bytes) { return XXH64(bytes.data(), bytes.size(), 0); }

std::uint64_t check_of(const BlockHeader& header) {
  return checksum(std::as_bytes(std::span(&header, 1)).first(kCheckedBytes));
}

}  // namespace

void BlockWriter::Free::operator()(void* context) const { ZSTD_freeCCtx(static_cast<ZSTD_CCtx*>(context)); }

BlockWriter::BlockWriter(PendingFile& file) : file_(file), zstd_(ZSTD_createCCtx()) {
  if (zstd_ == nullptr) throw std::bad_alloc();
}

Status BlockWriter::start() {
  std::array<std::byte, kSnapshotHeaderBytes> header{};
  const std::array<std::uint16_t, 2> version{kSnapshotMajor, kSnapshotMinor};
  std::memcpy(header.data(), kSnapshotMagic.data(), kSnapshotMagic.size());
  std::memcpy(header.data() + kSnapshotMagic.size(), version.data(), sizeof version);
  return file_.write(header);
}

Status BlockWriter::put(BlockKind kind, std::uint64_t address, Bytes bytes) {
  space_.resize(kBlockHeaderBytes + ZSTD_compressBound(bytes.size()));
  const auto stored = std::span(space_).subspan(kBlockHeaderBytes);
  constexpr int kLevel = 1;  // the disk is no faster than that
  const std::size_t size = ZSTD_compressCCtx(static_cast<ZSTD_CCtx*>(zstd_.get()), stored.data(), stored.size(),
                                             bytes.data(), bytes.size(), kLevel);
  if (ZSTD_isError(size) != 0)
    return failure(fmt::format("{}: can't compress the snapshot: {}", file_.path(), ZSTD_getErrorName(size)));
  BlockHeader header{.kind = static_cast<std::uint32_t>(kind),
                     .number = number_++,
                     .stored_bytes = static_cast<std::uint32_t>(size),
                     .plain_bytes = static_cast<std::uint32_t>(bytes.size()),
                     .address = address,
                     .checksum = checksum(stored.first(size))};
  header.check = check_of(header);
  std::memcpy(space_.data(), &header, sizeof header);
  return file_.write(Bytes(space_).first(kBlockHeaderBytes + size));
}

Error BlockReader::damaged(std::string_view why) const {
  return failure(fmt::format("{}: damaged at byte {}: {}; copy it again, or take a new snapshot", name_, offset_, why));
}

Status BlockReader::read(std::span<std::byte> into) {
  while (!into.empty()) {
    const ssize_t count = ::read(fd_, into.data(), into.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failure(fmt::format("{}: can't read the snapshot: {}", name_, system_text(errno)));
    if (count == 0)
      return failure(
          fmt::format("{}: ends early, at byte {}: the end of the snapshot is missing; copy it again", name_, offset_));
    offset_ += static_cast<std::uint64_t>(count);
    into = into.subspan(static_cast<std::size_t>(count));
  }
  return success();
}

Result<BlockReader> BlockReader::open(int fd, std::string name) {
  BlockReader reader(fd, std::move(name));
  std::array<std::byte, kSnapshotHeaderBytes> header{};
  if (auto got = reader.read(header); !got) return got.error();
  if (std::memcmp(header.data(), kSnapshotMagic.data(), kSnapshotMagic.size()) != 0)
    return failure(fmt::format("{}: not a snapshot of gotrace-leak", reader.name_));
  const auto major = load_or_zero<std::uint16_t>(header, 4);
  if (major != kSnapshotMajor)
    return failure(fmt::format("{}: a snapshot of format {}, and this gotrace-leak reads format {}; use {} version",
                               reader.name_, major, kSnapshotMajor, major > kSnapshotMajor ? "a newer" : "an older"));
  return reader;
}

Result<Block> BlockReader::next() {
  BlockHeader header;
  if (auto got = read(std::as_writable_bytes(std::span(&header, 1))); !got) return got.error();
  if (header.check != check_of(header)) return damaged("the header of a block is not what was written");
  if (header.number != number_++) return damaged("a block is missing, or there twice");
  if (header.plain_bytes > kMostBlockBytes || header.stored_bytes > ZSTD_COMPRESSBOUND(kMostBlockBytes))
    return damaged("a block is larger than blocks are");
  stored_.resize(header.stored_bytes);
  plain_.resize(header.plain_bytes);
  if (auto got = read(stored_); !got) return got.error();
  if (checksum(stored_) != header.checksum) return damaged("a block is not what was written");
  const std::size_t size = ZSTD_decompress(plain_.data(), plain_.size(), stored_.data(), stored_.size());
  if (ZSTD_isError(size) != 0 || size != plain_.size()) return damaged("a block can't be decompressed");
  return Block{header.kind, header.address, plain_};
}

}  // namespace gotrace::proof
