// What became of a process's pages between two looks at its page map (/proc/PID/pagemap): of which a copy that was made
// after the first look still holds what is there. In between the kernel noted who was written to (soft_dirty.h).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "process/snapshot.h"

namespace gotrace::process {

// What of `ranges` is not in `known`; both by rising address, as merged() makes them.
[[nodiscard]] std::vector<MemoryRange> difference(const std::vector<MemoryRange>& ranges,
                                                  const std::vector<MemoryRange>& known);
[[nodiscard]] std::vector<MemoryRange> intersection(const std::vector<MemoryRange>& some,
                                                    const std::vector<MemoryRange>& others);
[[nodiscard]] std::uint64_t total_bytes(std::span<const MemoryRange> ranges);

// One word a page, as Documentation/admin-guide/mm/pagemap.rst has them, Linux 5.10 to 6.18.
namespace page_word {
constexpr std::uint64_t kFrame = (1ULL << 55) - 1;  // where it lies in memory; 0 without CAP_SYS_ADMIN
constexpr std::uint64_t kSoftDirty = 1ULL << 55;    // written to since the bits were cleared, or mapped since
constexpr std::uint64_t kExclusive = 1ULL << 56;    // mapped once. The page of zeros, and one shared by a fork, are not
constexpr std::uint64_t kFileOrShared = 1ULL << 61;  // others may change it
constexpr std::uint64_t kSwapped = 1ULL << 62;
constexpr std::uint64_t kPresent = 1ULL << 63;
}  // namespace page_word

class PageWords {
 public:
  struct Part {  // pages one behind the other
    Address begin = 0;
    std::vector<std::uint64_t> words;
  };

  PageWords() = default;
  explicit PageWords(std::vector<Part> parts);  // that don't overlap
  // Those of all pages that `ranges` touch; nullopt: the page map can't be read.
  [[nodiscard]] static std::optional<PageWords> read(pid_t pid, std::vector<MemoryRange> ranges);

  void add(PageWords other);  // REQUIRES no page in both
  // As if these had not been there at the look: what was copied of them is not to be used.
  void forget(std::span<const MemoryRange> ranges);
  // Pages that a later look finds written to count as such here, too: see PageChanges::cleared.
  void note_dirty(const PageWords& later);
  [[nodiscard]] const std::vector<Part>& parts() const { return parts_; }  // by rising address
  [[nodiscard]] std::vector<MemoryRange> present() const;                  // or swapped out; the rest holds zeros

 private:
  std::vector<Part> parts_;
};

struct PageChanges {
  std::vector<MemoryRange> to_read;   // written to since, or not copied, or not known for sure to be as they were
  std::vector<MemoryRange> vanished;  // were copied, and hold zeros now
  std::vector<MemoryRange> held;      // the copy is what they hold
  // A page that had been written to at the first look and counts as not written to now: somebody else has cleared the
  // bits meanwhile, and nothing of this can be trusted. 0: none.
  Address cleared = 0;
};

// `copied`: a look from before the pages that it found present were copied, and after the bits were cleared. `now`: one
// from when the process stands still. Both are of private memory that is no file's.
[[nodiscard]] PageChanges changes_between(const PageWords& copied, const PageWords& now);

}  // namespace gotrace::process
