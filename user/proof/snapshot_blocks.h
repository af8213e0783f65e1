// The container of a snapshot file: magic and version, then numbered blocks, each compressed (zstd) and with a checksum
// (XXH64), the last one saying that it is the last. All numbers are little endian.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_reader.h"
#include "base/private_file.h"
#include "base/result.h"

namespace gotrace::proof {

constexpr std::string_view kSnapshotMagic = "\x89GLS";  // not ASCII: no text file starts like this
// A reader refuses another major version; a higher minor one only adds kinds of blocks and fields, which are skipped.
constexpr std::uint16_t kSnapshotMajor = 1;
constexpr std::uint16_t kSnapshotMinor = 0;
constexpr std::size_t kSnapshotHeaderBytes = 8;
constexpr std::size_t kBlockHeaderBytes = 40;
constexpr std::uint32_t kMostBlockBytes = 256U << 10;  // uncompressed

enum class BlockKind : std::uint32_t { facts = 1, thread = 2, ranges = 3, executable = 4, memory = 5, end = 6 };

class BlockWriter {
 public:
  explicit BlockWriter(PendingFile& file);
  [[nodiscard]] Status start();
  // REQUIRES at most kMostBlockBytes. What `address` means is the kind's matter.
  [[nodiscard]] Status put(BlockKind kind, std::uint64_t address, Bytes bytes);

 private:
  struct Free {
    void operator()(void* context) const;
  };
  PendingFile& file_;
  std::unique_ptr<void, Free> zstd_;
  std::vector<std::byte> space_;
  std::uint32_t number_ = 0;
};

struct Block {
  std::uint32_t kind = 0;  // BlockKind; others are to be skipped
  std::uint64_t address = 0;
  Bytes bytes;  // until the next one is read
};

// Never holds more than one block, whatever the file says of itself.
class BlockReader {
 public:
  // Reads from where `fd` is, which must outlive this; `name` is for error texts. Errors: not a snapshot, or of a
  // version that can't be read.
  [[nodiscard]] static Result<BlockReader> open(int fd, std::string name);
  // Errors: damaged, or cut off.
  [[nodiscard]] Result<Block> next();
  [[nodiscard]] Error damaged(std::string_view why) const;

 private:
  BlockReader(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}
  [[nodiscard]] Status read(std::span<std::byte> into);

  int fd_;
  std::string name_;
  std::uint64_t offset_ = 0;
  std::uint32_t number_ = 0;
  std::vector<std::byte> stored_;
  std::vector<std::byte> plain_;
};

}  // namespace gotrace::proof
