#include "process/page_changes.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/unique_fd.h"

namespace gotrace::process {
namespace {

using namespace page_word;

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kMostBytesPerCall = 8U << 20;

Address end_of(const PageWords::Part& part) { return part.begin + part.words.size() * kPage; }

void append(std::vector<MemoryRange>& ranges, Address page) {
  if (!ranges.empty() && ranges.back().end == page) {
    ranges.back().end += kPage;
  } else {
    ranges.push_back({page, page + kPage});
  }
}

bool there(std::uint64_t word) { return (word & (kPresent | kSwapped)) != 0; }

// A page whose bit tells all that may have been done to it. What is swapped out is left to be read: so are the markers
// that look like it (include/linux/swapops.h, pte_marker). A page that was given back to the kernel (by Go's scavenger)
// and read since is the page of zeros, which no bit tells; but it is not mapped exclusively, and is a file's when it is
// a huge one (fs/proc/task_mmu.c, pagemap_pmd_range).
bool tracked(std::uint64_t word) {
  return (word & (kPresent | kSwapped | kFileOrShared | kExclusive)) == (kPresent | kExclusive);
}

// The same frame: what mremap moves to the place of another page with a whole page table bears no bit
// (mm/mremap.c, move_normal_pmd), nor does what same-page merging puts there (mm/ksm.c, replace_page).
bool unchanged(std::uint64_t then, std::uint64_t now) {
  return tracked(then) && tracked(now) && (now & kSoftDirty) == 0 && (then & kFrame) == (now & kFrame);
}

// Finds words by rising address.
class Cursor {
 public:
  explicit Cursor(const std::vector<PageWords::Part>& parts) : parts_(parts) {}
  std::uint64_t at(Address page) {
    while (part_ < parts_.size() && end_of(parts_[part_]) <= page) ++part_;
    if (part_ == parts_.size() || page < parts_[part_].begin) return 0;
    return parts_[part_].words[static_cast<std::size_t>((page - parts_[part_].begin) / kPage)];
  }

 private:
  const std::vector<PageWords::Part>& parts_;
  std::size_t part_ = 0;
};

bool read_words(int pagemap, PageWords::Part& part) {
  for (std::size_t done = 0; done < part.words.size();) {
    const auto wanted = std::min<std::uint64_t>(8 * (part.words.size() - done), kMostBytesPerCall);
    const auto at = static_cast<off_t>((part.begin / kPage + done) * 8);
    const ssize_t got = ::pread(pagemap, part.words.data() + done, wanted, at);
    if (got <= 0 || got % 8 != 0) return false;
    done += static_cast<std::size_t>(got) / 8;
  }
  return true;
}

}  // namespace

std::vector<MemoryRange> difference(const std::vector<MemoryRange>& ranges, const std::vector<MemoryRange>& known) {
  std::vector<MemoryRange> result;
  auto next = known.begin();
  for (const MemoryRange& range : ranges) {
    Address at = range.begin;
    while (next != known.end() && next->end <= at) ++next;
    for (auto overlap = next; overlap != known.end() && overlap->begin < range.end; ++overlap) {
      if (overlap->begin > at) result.push_back({at, overlap->begin});
      at = std::max(at, overlap->end);
    }
    if (at < range.end) result.push_back({at, range.end});
  }
  return result;
}

std::vector<MemoryRange> intersection(const std::vector<MemoryRange>& some, const std::vector<MemoryRange>& others) {
  return difference(some, difference(some, others));
}

std::uint64_t total_bytes(std::span<const MemoryRange> ranges) {
  std::uint64_t bytes = 0;
  for (const MemoryRange& range : ranges) bytes += range.size();
  return bytes;
}

PageWords::PageWords(std::vector<Part> parts) : parts_(std::move(parts)) {
  std::ranges::sort(parts_, {}, &Part::begin);
}

std::optional<PageWords> PageWords::read(pid_t pid, std::vector<MemoryRange> ranges) {
  const UniqueFd pagemap(::open(fmt::format("/proc/{}/pagemap", pid).c_str(), O_RDONLY | O_CLOEXEC));
  if (!pagemap) return std::nullopt;
  for (MemoryRange& range : ranges) range = {range.begin / kPage * kPage, (range.end + kPage - 1) / kPage * kPage};
  PageWords result;
  for (const MemoryRange& range : merged(std::move(ranges))) {
    Part part{range.begin, std::vector<std::uint64_t>(static_cast<std::size_t>(range.size() / kPage))};
    if (!read_words(pagemap.get(), part)) return std::nullopt;
    result.parts_.push_back(std::move(part));
  }
  return result;
}

void PageWords::add(PageWords other) {
  std::ranges::move(other.parts_, std::back_inserter(parts_));
  std::ranges::sort(parts_, {}, &Part::begin);
}

void PageWords::forget(std::span<const MemoryRange> ranges) {
  for (const MemoryRange& range : ranges) {
    for (Part& part : parts_) {
      const Address from = std::max(range.begin / kPage * kPage, part.begin);
      const Address to = std::min(range.end, end_of(part));
      for (Address page = from; page < to; page += kPage)
        part.words[static_cast<std::size_t>((page - part.begin) / kPage)] = 0;
    }
  }
}

void PageWords::note_dirty(const PageWords& later) {
  Cursor cursor(later.parts_);
  for (Part& part : parts_) {
    for (std::size_t i = 0; i < part.words.size(); ++i) {
      const std::uint64_t word = cursor.at(part.begin + i * kPage);
      if (tracked(word) && (word & kFrame) == (part.words[i] & kFrame)) part.words[i] |= word & kSoftDirty;
    }
  }
}

std::vector<MemoryRange> PageWords::present() const {
  std::vector<MemoryRange> result;
  for (const Part& part : parts_)
    for (std::size_t i = 0; i < part.words.size(); ++i)
      if (there(part.words[i])) append(result, part.begin + i * kPage);
  return result;
}

PageChanges changes_between(const PageWords& copied, const PageWords& now) {
  PageChanges changes;
  Cursor cursor(copied.parts());
  for (const PageWords::Part& part : now.parts()) {
    for (std::size_t i = 0; i < part.words.size(); ++i) {
      const Address page = part.begin + i * kPage;
      const std::uint64_t word = part.words[i];
      const std::uint64_t then = cursor.at(page);
      if (!there(word)) {
        if (there(then)) append(changes.vanished, page);
      } else if (unchanged(then, word)) {
        append(changes.held, page);
        if ((then & kSoftDirty) != 0) changes.cleared = page;
      } else {
        append(changes.to_read, page);
      }
    }
  }
  return changes;
}

}  // namespace gotrace::process
