#include "process/snapshot.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <mutex>
#include <thread>
#include <utility>

#include "base/private_file.h"
#include "base/unique_fd.h"
#include "base/units.h"

namespace gotrace::process {
namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kLargestPiece = 1U << 20;        // of one read: what two threads share is shared evenly
constexpr std::size_t kPiecesPerCall = 256;              // below UIO_MAXIOV, include/uapi/linux/uio.h
constexpr std::uint64_t kBytesPerCall = 4U << 20;        // about a millisecond: how late a deadline may be seen
constexpr std::uint64_t kBytesWorthAThread = 16U << 20;  // a few milliseconds: what it takes to start one pays
constexpr std::size_t kPagemapEntries = 64U << 10;       // read at once
constexpr std::uint64_t kPresentOrSwapped = 3ULL << 62;  // Documentation/admin-guide/mm/pagemap.rst

std::uint64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

std::uint64_t whole_pages(std::uint64_t bytes) { return (bytes + kPage - 1) / kPage * kPage; }

// Takes the pages of a mapping that holds zeros.
void touch(std::byte* data, std::uint64_t size) {
  for (std::uint64_t at = 0; at < size; at += kPage) static_cast<volatile std::byte*>(data)[at] = std::byte{0};
}

}  // namespace

// Copies what was cut into tasks; several threads take from it.
class Snapshot::Copier {
 public:
  Copier(pid_t pid, std::vector<Task> tasks, std::uint64_t deadline_ns)
      : pid_(pid), tasks_(std::move(tasks)), deadline_ns_(deadline_ns) {}

  void run() {
    std::array<iovec, kPiecesPerCall> local;
    std::array<iovec, kPiecesPerCall> remote;
    for (;;) {
      const auto [first, count] = take();
      if (count == 0) return;
      if (now_ns() >= deadline_ns_) {
        late_ = true;
        return;
      }
      std::uint64_t bytes = 0;
      for (std::size_t i = 0; i < count; ++i) {
        const Task& task = tasks_[first + i];
        local[i] = {task.into, task.size};
        remote[i] = {reinterpret_cast<void*>(task.from), task.size};  // NOLINT(performance-no-int-to-ptr)
        bytes += task.size;
      }
      const ssize_t got = ::process_vm_readv(pid_, local.data(), count, remote.data(), count, 0);
      if (got < 0 || static_cast<std::uint64_t>(got) != bytes) read_singly(std::span(tasks_).subspan(first, count));
    }
  }
  [[nodiscard]] Snapshot::Progress progress() { return {late_, merged(std::move(unreadable_))}; }

 private:
  std::pair<std::size_t, std::size_t> take() {
    const std::lock_guard lock(mutex_);
    const std::size_t first = next_;
    std::uint64_t bytes = 0;
    while (next_ < tasks_.size() && next_ - first < kPiecesPerCall && bytes < kBytesPerCall)
      bytes += tasks_[next_++].size;
    return {first, next_ - first};
  }

  void read_singly(std::span<const Task> tasks) {
    for (const Task& task : tasks) {
      for (std::size_t at = 0; at < task.size; at += kPage) {
        const std::size_t size = std::min<std::size_t>(kPage, task.size - at);
        const iovec local{task.into + at, size};
        const iovec remote{reinterpret_cast<void*>(task.from + at), size};  // NOLINT(performance-no-int-to-ptr)
        if (::process_vm_readv(pid_, &local, 1, &remote, 1, 0) == static_cast<ssize_t>(size)) continue;
        std::memset(task.into + at, 0, size);
        const std::lock_guard lock(mutex_);
        unreadable_.push_back({task.from + at, task.from + at + size});
      }
    }
  }

  const pid_t pid_;
  const std::vector<Task> tasks_;
  const std::uint64_t deadline_ns_;
  std::mutex mutex_;
  std::size_t next_ = 0;
  std::vector<MemoryRange> unreadable_;
  std::atomic<bool> late_ = false;
};

std::vector<MemoryRange> merged(std::vector<MemoryRange> ranges) {
  std::erase_if(ranges, [](const MemoryRange& range) { return range.end <= range.begin; });
  std::ranges::sort(ranges, {}, &MemoryRange::begin);
  std::vector<MemoryRange> result;
  for (const MemoryRange& range : ranges) {
    if (!result.empty() && range.begin <= result.back().end) {
      result.back().end = std::max(result.back().end, range.end);
    } else {
      result.push_back(range);
    }
  }
  return result;
}

std::optional<std::vector<MemoryRange>> present_ranges(pid_t pid, MemoryRange range) {
  const UniqueFd pagemap(::open(fmt::format("/proc/{}/pagemap", pid).c_str(), O_RDONLY | O_CLOEXEC));
  if (!pagemap) return std::nullopt;
  std::vector<MemoryRange> result;
  std::vector<std::uint64_t> entries(kPagemapEntries);
  for (Address at = range.begin; at < range.end;) {
    const std::size_t wanted = std::min<std::size_t>(kPagemapEntries, whole_pages(range.end - at) / kPage);
    const ssize_t got = ::pread(pagemap.get(), entries.data(), 8 * wanted, static_cast<off_t>(at / kPage * 8));
    if (got <= 0 || got % 8 != 0) return std::nullopt;
    for (std::size_t i = 0; i < static_cast<std::size_t>(got) / 8; ++i, at += kPage) {
      if ((entries[i] & kPresentOrSwapped) == 0) continue;
      if (!result.empty() && result.back().end == at) {
        result.back().end = at + kPage;
      } else {
        result.push_back({at, at + kPage});
      }
    }
  }
  return result;
}

Snapshot::Snapshot(Snapshot&& other) noexcept
    : blocks_(std::exchange(other.blocks_, {})),
      pieces_(std::exchange(other.pieces_, {})),
      set_aside_(std::exchange(other.set_aside_, {})),
      size_(other.size_),
      file_(std::move(other.file_)),
      file_size_(other.file_size_),
      fallback_(other.fallback_) {}

Snapshot::~Snapshot() {
  for (const Block& block : blocks_) ::munmap(block.data, block.size);
}

Status Snapshot::lie_in(const std::string& folder) {
  if (folder.empty()) return success();
  file_ = create_nameless(folder);
  if (file_) return success();
  return failure(
      fmt::format("cannot make a file for the copy of its memory in {}: {}; name a folder of another file "
                  "system",
                  folder, system_text(errno)));
}

// A file grows by pages that take no room until they are written to.
Status Snapshot::add_block(std::uint64_t bytes, int flags) {
  bytes = whole_pages(std::max<std::uint64_t>(bytes, 1));
  const std::uint64_t begin = file_size_;
  void* memory = MAP_FAILED;
  if (!file_) {
    memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
  } else if (::ftruncate(file_.get(), static_cast<off_t>(begin + bytes)) == 0) {
    file_size_ += bytes;
    memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file_.get(), static_cast<off_t>(begin));
  }
  if (memory == MAP_FAILED)
    return failure(fmt::format("cannot take {} of {} for the snapshot: {}", format_bytes(static_cast<double>(bytes)),
                               file_ ? "the disk" : "memory", system_text(errno)));
  blocks_.push_back({static_cast<std::byte*>(memory), bytes, 0});
  return success();
}

Status Snapshot::reserve(std::uint64_t bytes) {
  const std::uint64_t begin = file_size_;
  if (auto added = add_block(bytes, MAP_POPULATE); !added) return added;
  if (!file_) return success();
  const Block& block = blocks_.back();
  const int error = ::posix_fallocate(file_.get(), static_cast<off_t>(begin), static_cast<off_t>(block.size));
  if (error != 0)
    return failure(fmt::format("cannot take {} of the disk for the snapshot: {}",
                               format_bytes(static_cast<double>(block.size)), system_text(error)));
  touch(block.data, block.size);
  return success();
}

Status Snapshot::add(std::span<const MemoryRange> ranges) {
  for (const MemoryRange& range : ranges) {
    if (range.end <= range.begin) continue;
    if (const Piece* place = set_aside_for(range)) {
      pieces_.push_back({range.begin, range.end, place->data + (range.begin - place->begin)});
      size_ += range.size();
      continue;
    }
    if (blocks_.empty() || blocks_.back().size - blocks_.back().used < range.size()) {
      constexpr std::uint64_t kLeast = 64U << 20;
      if (auto added = add_block(std::max(range.size(), kLeast), 0); !added) return added;
    }
    Block& block = blocks_.back();
    pieces_.push_back({range.begin, range.end, block.data + block.used});
    block.used += (range.size() + 7) / 8 * 8;
    size_ += range.size();
  }
  std::ranges::sort(pieces_, {}, &Piece::begin);
  return success();
}

Status Snapshot::add_sparse(std::span<const MemoryRange> ranges) {
  std::uint64_t bytes = 0;
  for (const MemoryRange& range : ranges) bytes += range.size() + 8;
  const std::size_t before = blocks_.size();
  if (auto added = add_block(bytes, MAP_NORESERVE); !added) return added;
  auto status = add(ranges);
  std::rotate(blocks_.begin(), blocks_.begin() + static_cast<std::ptrdiff_t>(before), blocks_.end());
  return status;  // what was reserved is the last block again
}

Status Snapshot::set_aside(std::vector<MemoryRange> ranges) {
  ranges = merged(std::move(ranges));
  std::uint64_t bytes = 0;
  for (const MemoryRange& range : ranges) bytes += range.size();
  if (auto added = add_block(bytes, MAP_NORESERVE); !added) return added;
  Block& block = blocks_.back();
  for (const MemoryRange& range : ranges) {
    set_aside_.push_back({range.begin, range.end, block.data + block.used});
    block.used += range.size();
  }
  return success();
}

bool Snapshot::is_set_aside(MemoryRange range) const { return set_aside_for(range) != nullptr; }

void Snapshot::start_over() {
  pieces_.clear();
  size_ = 0;
}

std::vector<Snapshot::Task> Snapshot::tasks_for(std::span<const MemoryRange> ranges) const {
  std::vector<Task> tasks;
  for (const MemoryRange& range : ranges) {
    for (Address at = range.begin; at < range.end;) {
      const Piece* piece = piece_at(at);
      if (piece == nullptr) break;
      const std::uint64_t size = std::min({range.end - at, piece->end - at, kLargestPiece});
      tasks.push_back({at, piece->data + (at - piece->begin), static_cast<std::size_t>(size)});
      at += size;
    }
  }
  return tasks;
}

Snapshot::Progress Snapshot::copy(pid_t pid, std::span<const MemoryRange> ranges, unsigned threads,
                                  std::uint64_t deadline_ns) {
  auto tasks = tasks_for(ranges);
  std::uint64_t bytes = 0;
  for (const Task& task : tasks) bytes += task.size;
  threads = static_cast<unsigned>(std::min<std::uint64_t>(threads, bytes / kBytesWorthAThread + 1));
  Copier copier(pid, std::move(tasks), deadline_ns);
  std::vector<std::thread> helpers;
  for (unsigned i = 1; i < threads; ++i) helpers.emplace_back([&copier] { copier.run(); });
  copier.run();
  for (std::thread& helper : helpers) helper.join();
  return copier.progress();
}

void Snapshot::fill_with_zeros(std::span<const MemoryRange> ranges) {
  for (const Task& task : tasks_for(ranges)) std::memset(task.into, 0, task.size);
}

std::optional<Address> Snapshot::find_difference(pid_t pid, std::span<const MemoryRange> ranges,
                                                 std::uint64_t deadline_ns) const {
  std::vector<MemoryRange> pages;
  for (const MemoryRange& range : ranges)
    for (Address at = range.begin; at < range.end; at += kPage) pages.push_back({at, std::min(range.end, at + kPage)});
  const auto tasks = tasks_for(pages);
  std::vector<std::byte> there(kPiecesPerCall * kPage);
  std::array<iovec, kPiecesPerCall> remote;
  for (std::size_t first = 0; first < tasks.size(); first += kPiecesPerCall) {
    if (now_ns() >= deadline_ns) return std::nullopt;
    const auto some = std::span(tasks).subspan(first, std::min(kPiecesPerCall, tasks.size() - first));
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < some.size(); bytes += some[i++].size)
      remote[i] = {reinterpret_cast<void*>(some[i].from), some[i].size};  // NOLINT(performance-no-int-to-ptr)
    const iovec local{there.data(), bytes};
    const ssize_t got = ::process_vm_readv(pid, &local, 1, remote.data(), some.size(), 0);
    if (got < 0 || static_cast<std::size_t>(got) != bytes) return some.front().from;
    bytes = 0;
    for (const Task& task : some) {
      if (std::memcmp(there.data() + bytes, task.into, task.size) != 0) return task.from;
      bytes += task.size;
    }
  }
  return 0;
}

const Snapshot::Piece* Snapshot::set_aside_for(MemoryRange range) const {
  const auto after = std::ranges::upper_bound(set_aside_, range.begin, {}, &Piece::begin);
  if (after == set_aside_.begin()) return nullptr;
  const Piece& place = *std::prev(after);
  return range.begin < range.end && range.end <= place.end ? &place : nullptr;
}

const Snapshot::Piece* Snapshot::piece_at(Address address) const {
  const auto after = std::ranges::upper_bound(pieces_, address, {}, &Piece::begin);
  if (after == pieces_.begin()) return nullptr;
  const Piece& piece = *std::prev(after);
  return address < piece.end ? &piece : nullptr;
}

bool Snapshot::put(Address address, Bytes bytes) {
  while (!bytes.empty()) {
    const Piece* piece = piece_at(address);
    if (piece == nullptr) return false;
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), piece->end - address));
    std::memcpy(piece->data + (address - piece->begin), bytes.data(), size);
    bytes = bytes.subspan(size);
    address += size;
  }
  return true;
}

bool Snapshot::read(Address address, std::span<std::byte> into) {
  while (!into.empty()) {
    const Piece* piece = piece_at(address);
    if (piece == nullptr) return fallback_ != nullptr && fallback_->read(address, into);
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), piece->end - address));
    std::memcpy(into.data(), piece->data + (address - piece->begin), size);
    into = into.subspan(size);
    address += size;
  }
  return true;
}

std::optional<Bytes> Snapshot::bytes(Address address, std::uint64_t size) const {
  const Piece* piece = piece_at(address);
  if (piece == nullptr || size > piece->end - address) return std::nullopt;
  return Bytes(piece->data + (address - piece->begin), static_cast<std::size_t>(size));
}

std::vector<MemoryRange> Snapshot::ranges() const {
  std::vector<MemoryRange> result;
  result.reserve(pieces_.size());
  for (const Piece& piece : pieces_) result.push_back({piece.begin, piece.end});
  return result;
}

}  // namespace gotrace::process
