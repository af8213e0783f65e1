// Snapshot: a copy of parts of another process's memory, to be read as that memory would be. What was not copied can
// only be read where it never changes, or by way of what the caller offers for it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "process/memory.h"
#include "process/target.h"

namespace gotrace::process {

struct MemoryRange {
  Address begin = 0;
  Address end = 0;
  [[nodiscard]] std::uint64_t size() const { return end - begin; }
  friend bool operator==(const MemoryRange&, const MemoryRange&) = default;
};
// By rising address, neighbours and overlapping ones made one; empty ones are left out.
[[nodiscard]] std::vector<MemoryRange> merged(std::vector<MemoryRange> ranges);

// Which pages of [begin, end) of `pid` are in memory or swapped out; the rest was never written, and holds zeros.
// nullopt: its pagemap can't be read.
[[nodiscard]] std::optional<std::vector<MemoryRange>> present_ranges(pid_t pid, MemoryRange range);

class Snapshot final : public RemoteMemory {
 public:
  struct Progress {
    bool late = false;                    // the deadline passed; not all was copied
    std::vector<MemoryRange> unreadable;  // holds zeros
  };

  Snapshot() = default;
  Snapshot(Snapshot&& other) noexcept;
  Snapshot& operator=(Snapshot&&) = delete;
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;
  ~Snapshot() override;

  // All that is taken from now on lies in a file without a name in `folder`: the kernel can write it out when memory is
  // short. Empty: it stays memory. Error: none can be made there.
  [[nodiscard]] Status lie_in(const std::string& folder);

  // Takes memory for so many bytes, now, so that copying need not. Error: there is not enough.
  [[nodiscard]] Status reserve(std::uint64_t bytes);
  // Adds ranges that none of those added before overlaps, as zeros.
  [[nodiscard]] Status add(std::span<const MemoryRange> ranges);
  // The same for ranges most of which will stay zeros: these take no memory.
  [[nodiscard]] Status add_sparse(std::span<const MemoryRange> ranges);
  // Sets memory aside for ranges: what is added within one of them lies in it, at the same place each time. Takes none
  // until it is copied into.
  [[nodiscard]] Status set_aside(std::vector<MemoryRange> ranges);
  [[nodiscard]] bool is_set_aside(MemoryRange range) const;  // as a whole
  // Forgets all ranges that were added. What was copied into memory that was set aside is there again when it is added.
  void start_over();
  // Copies from process `pid` into ranges that were added, with so many threads, until `deadline_ns` (CLOCK_MONOTONIC).
  [[nodiscard]] Progress copy(pid_t pid, std::span<const MemoryRange> ranges, unsigned threads,
                              std::uint64_t deadline_ns);

  // Puts bytes that were read elsewhere into ranges that were added. False: not all of them lie in these.
  [[nodiscard]] bool put(Address address, Bytes bytes);
  void fill_with_zeros(std::span<const MemoryRange> ranges);  // that were added
  // The first page of `ranges`, which were added, that does not hold what the process's memory holds; 0: none. nullopt:
  // the deadline passed.
  [[nodiscard]] std::optional<Address> find_difference(pid_t pid, std::span<const MemoryRange> ranges,
                                                       std::uint64_t deadline_ns) const;

  // Where else to read what was not copied; may be nullptr. Must outlive this.
  void fall_back_to(RemoteMemory* memory) { fallback_ = memory; }
  [[nodiscard]] bool read(Address address, std::span<std::byte> into) override;
  // The copy itself; nullopt when not all of it is copied, or not in one piece. Never by way of the fallback.
  [[nodiscard]] std::optional<Bytes> bytes(Address address, std::uint64_t size) const;
  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] std::vector<MemoryRange> ranges() const;

 private:
  struct Block {  // memory of ours
    std::byte* data = nullptr;
    std::uint64_t size = 0;
    std::uint64_t used = 0;
  };
  struct Piece {
    Address begin = 0;
    Address end = 0;
    std::byte* data = nullptr;
  };
  struct Task {  // one read into memory of ours
    Address from = 0;
    std::byte* into = nullptr;
    std::size_t size = 0;
  };
  class Copier;
  [[nodiscard]] Status add_block(std::uint64_t bytes, int flags);
  [[nodiscard]] const Piece* piece_at(Address address) const;
  [[nodiscard]] const Piece* set_aside_for(MemoryRange range) const;
  [[nodiscard]] std::vector<Task> tasks_for(std::span<const MemoryRange> ranges) const;

  std::vector<Block> blocks_;
  std::vector<Piece> pieces_;     // by rising address
  std::vector<Piece> set_aside_;  // by rising address
  std::uint64_t size_ = 0;
  UniqueFd file_;  // invalid: memory without a file
  std::uint64_t file_size_ = 0;
  RemoteMemory* fallback_ = nullptr;
};

}  // namespace gotrace::process
