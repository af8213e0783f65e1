#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <optional>
#include <utility>

#include "process/elf_image.h"
#include "process/executable_memory.h"
#include "proof/captured_heap.h"
#include "proof/snapshot_blocks.h"
#include "proof/snapshot_facts.h"
#include "proof/snapshot_file.h"

namespace gotrace::proof {
namespace {

using process::MemoryRange;

constexpr std::uint64_t kMostExecutable = 16ULL << 30;
constexpr std::size_t kMostThreads = 1U << 16;
constexpr std::size_t kMostRanges = 1U << 23;
// Ranges may be zeros for the most part, of which the file holds none: address space that a program has reserved.
constexpr std::uint64_t kMostZeros = 64ULL << 30;

std::uint64_t total(const std::vector<MemoryRange>& ranges) {
  std::uint64_t bytes = 0;
  for (const MemoryRange& range : ranges) bytes += std::min(range.size(), kMostZeros * 4);
  return bytes;
}

bool separate(const std::vector<MemoryRange>& ranges) {
  const auto touching = [](const MemoryRange& a, const MemoryRange& b) { return a.end > b.begin; };
  return std::ranges::adjacent_find(ranges, touching) == ranges.end();
}

// What was read beyond the copy, and behind that the executable.
class BeyondMemory final : public process::RemoteMemory {
 public:
  BeyondMemory(std::unique_ptr<process::Snapshot> kept, process::ElfImage image, process::Address bias)
      : executable_(std::move(image), bias), kept_(std::move(kept)) {
    kept_->fall_back_to(&executable_);
  }
  [[nodiscard]] bool read(process::Address address, std::span<std::byte> into) override {
    return kept_->read(address, into);
  }

 private:
  process::ExecutableMemory executable_;
  std::unique_ptr<process::Snapshot> kept_;
};

class SnapshotReading {
 public:
  SnapshotReading(BlockReader blocks, std::uint64_t file_bytes) : blocks_(std::move(blocks)), file_bytes_(file_bytes) {}
  [[nodiscard]] Result<Captured> run();

 private:
  [[nodiscard]] Status take(const Block& block);
  [[nodiscard]] Status take_facts(Bytes bytes);
  [[nodiscard]] Status take_thread(Bytes bytes);
  [[nodiscard]] Status take_ranges(const Block& block);
  [[nodiscard]] Status take_executable(const Block& block);
  [[nodiscard]] Status take_memory(const Block& block);
  [[nodiscard]] Status make_room();
  [[nodiscard]] Result<Captured> assemble();

  BlockReader blocks_;
  std::uint64_t file_bytes_;
  std::optional<SnapshotFacts> facts_;
  std::vector<process::StoppedThread> threads_;
  std::vector<MemoryRange> lists_[4];  // by RangeList
  UniqueFd executable_;
  std::unique_ptr<process::Snapshot> snapshot_;
  std::unique_ptr<process::Snapshot> beyond_;
};

Status SnapshotReading::take_facts(Bytes bytes) {
  if (facts_) return blocks_.damaged("what it says of the process is there twice");
  facts_ = decode_facts(bytes);
  if (!facts_ || facts_->executable_bytes > kMostExecutable)
    return blocks_.damaged("what it says of the process makes no sense");
  executable_.reset(::memfd_create("executable", MFD_CLOEXEC));
  if (!executable_ || ::ftruncate(executable_.get(), static_cast<off_t>(facts_->executable_bytes)) != 0)
    return failure(fmt::format("cannot take memory for the executable: {}", system_text(errno)));
  return success();
}

Status SnapshotReading::take_thread(Bytes bytes) {
  auto thread = decode_thread(bytes);
  if (!thread || threads_.size() >= kMostThreads) return blocks_.damaged("a thread's registers make no sense");
  threads_.push_back(std::move(*thread));
  return success();
}

Status SnapshotReading::take_ranges(const Block& block) {
  const auto ranges = decode_ranges(block.bytes);
  if (!ranges || block.address >= std::size(lists_) || snapshot_)
    return blocks_.damaged("a list of addresses makes no sense");
  auto& list = lists_[block.address];
  if (list.size() + ranges->size() > kMostRanges) return blocks_.damaged("a list of addresses is too long");
  list.insert(list.end(), ranges->begin(), ranges->end());
  return success();
}

Status SnapshotReading::take_executable(const Block& block) {
  const auto size = facts_ ? facts_->executable_bytes : 0;
  if (block.address > size || block.bytes.size() > size - block.address)
    return blocks_.damaged("a part of the executable is outside of it");
  if (::pwrite(executable_.get(), block.bytes.data(), block.bytes.size(), static_cast<off_t>(block.address)) !=
      static_cast<ssize_t>(block.bytes.size()))
    return failure(fmt::format("cannot take memory for the executable: {}", system_text(errno)));
  return success();
}

Status SnapshotReading::make_room() {
  const auto& copied = lists_[static_cast<std::size_t>(RangeList::copied)];
  constexpr std::uint64_t kMostTimes = 1U << 12;  // what there is can hardly be compressed further
  const auto& beyond = lists_[static_cast<std::size_t>(RangeList::beyond)];
  if (!separate(copied) || !separate(beyond) || total(copied) + total(beyond) > kMostZeros + kMostTimes * file_bytes_)
    return blocks_.damaged("its list of addresses makes no sense");
  snapshot_ = std::make_unique<process::Snapshot>();
  beyond_ = std::make_unique<process::Snapshot>();
  if (auto added = beyond_->add_sparse(beyond); !added) return added;
  return snapshot_->add_sparse(copied);
}

Status SnapshotReading::take_memory(const Block& block) {
  if (!snapshot_)
    if (auto made = make_room(); !made) return made;
  if (!snapshot_->put(block.address, block.bytes) && !beyond_->put(block.address, block.bytes))
    return blocks_.damaged("memory that is in none of its ranges");
  return success();
}

Status SnapshotReading::take(const Block& block) {
  switch (static_cast<BlockKind>(block.kind)) {
    case BlockKind::facts:
      return take_facts(block.bytes);
    case BlockKind::thread:
      return take_thread(block.bytes);
    case BlockKind::ranges:
      return take_ranges(block);
    case BlockKind::executable:
      return take_executable(block);
    case BlockKind::memory:
      return take_memory(block);
    case BlockKind::end:
      break;
  }
  return success();  // of a newer version
}

Result<Captured> SnapshotReading::assemble() {
  if (!facts_ || !snapshot_) return blocks_.damaged("it holds no process");
  auto image = process::ElfImage::map(executable_.get());
  if (!image) return blocks_.damaged(image.error().text);
  Captured captured;
  captured.wall_ns = facts_->wall_ns;
  captured.stopped_ns = facts_->stopped_ns;
  captured.resumed_ns = facts_->resumed_ns;
  captured.pause_ns = facts_->pause_ns;
  captured.prediction = facts_->prediction;
  captured.copied_bytes = facts_->copied_bytes;
  captured.foreign_complete = facts_->foreign_complete;
  captured.threads = std::move(threads_);
  captured.foreign = process::merged(std::move(lists_[static_cast<std::size_t>(RangeList::foreign)]));
  captured.unreadable = std::move(lists_[static_cast<std::size_t>(RangeList::unreadable)]);
  captured.beyond = std::make_unique<BeyondMemory>(std::move(beyond_), std::move(*image), facts_->process.load_bias);
  snapshot_->fall_back_to(captured.beyond.get());
  captured.snapshot = snapshot_.get();
  captured.target = std::make_unique<process::Target>(
      process::Target::of_file(std::move(facts_->process), std::move(executable_), std::move(snapshot_)));
  auto program = goruntime::Program::open(*captured.target);
  if (!program) return program.error();
  captured.program = std::move(*program);
  if (auto found = find_spans(captured); !found) return found.error();
  return captured;
}

Result<Captured> SnapshotReading::run() {
  for (;;) {
    const auto block = blocks_.next();
    if (!block) return block.error();
    if (block->kind == static_cast<std::uint32_t>(BlockKind::end)) return assemble();
    if (auto taken = take(*block); !taken) return taken.error();
  }
}

}  // namespace

Result<Captured> read_snapshot(int fd, const std::string& name) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return failure(fmt::format("{}: cannot stat it: {}", name, system_text(errno)));
  auto blocks = BlockReader::open(fd, name);
  if (!blocks) return blocks.error();
  auto captured = SnapshotReading(std::move(*blocks), static_cast<std::uint64_t>(status.st_size)).run();
  if (!captured && !captured.error().text.starts_with(name))
    return Error{ErrorKind::failed, fmt::format("{}: {}", name, captured.error().text)};
  return captured;
}

}  // namespace gotrace::proof
