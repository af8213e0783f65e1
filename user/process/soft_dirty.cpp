#include "process/soft_dirty.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <string>

#include "base/unique_fd.h"
#include "process/page_changes.h"
#include "process/proc_text.h"

namespace gotrace::process {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kTried = 32;  // pages

std::uint64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

bool clear(int clear_refs) { return ::write(clear_refs, "4", 1) == 1; }  // Documentation/filesystems/proc.rst

// Merging makes two pages one with a page table entry that bears no soft-dirty bit (mm/ksm.c, replace_page, Linux 5.10
// to 6.18). Only of memory for which a process has asked for it, which Go never does; C may have.
bool pages_are_merged() {
  const auto state = read_proc_text("/sys/kernel/mm/ksm/run");
  return state && !state->empty() && state->front() == '1';
}

class Trial {
 public:
  Trial()
      : pages_(::mmap(nullptr, kTried * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)),
        pagemap_(::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC)),
        clear_refs_(::open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC)) {}
  Trial(const Trial&) = delete;
  Trial& operator=(const Trial&) = delete;
  ~Trial() {
    if (pages_ != MAP_FAILED) ::munmap(pages_, kTried * kPage);
  }

  [[nodiscard]] bool run() {
    if (pages_ == MAP_FAILED || !pagemap_ || !clear_refs_) return false;
    ::madvise(pages_, kTried * kPage, MADV_NOHUGEPAGE);  // fails where there are none
    write_every(1);
    if (!dirty([](std::size_t) { return true; }) || !clear(clear_refs_.get())) return false;
    // What the processor still remembers of the pages must not let a write pass unnoticed: Linux 5.6 to 5.10 did not
    // make it forget, until "mm: proc: Invalidate TLB after clearing soft-dirty page state" (5.11, in 5.10.x).
    write_every(2);
    return dirty([](std::size_t page) { return page % 2 == 0; });
  }

 private:
  void write_every(std::size_t step) {
    for (std::size_t page = 0; page < kTried; page += step)
      *static_cast<volatile char*>(static_cast<char*>(pages_) + page * kPage) = 1;
  }
  // Whether exactly these are.
  template <typename Expected>
  [[nodiscard]] bool dirty(Expected expected) const {
    std::array<std::uint64_t, kTried> words{};
    const auto at = static_cast<off_t>(reinterpret_cast<std::uintptr_t>(pages_) / kPage * 8);
    if (::pread(pagemap_.get(), words.data(), sizeof words, at) != static_cast<ssize_t>(sizeof words)) return false;
    for (std::size_t page = 0; page < kTried; ++page)
      if (((words[page] & page_word::kSoftDirty) != 0) != expected(page)) return false;
    return true;
  }

  void* pages_;
  UniqueFd pagemap_;
  UniqueFd clear_refs_;
};

}  // namespace

bool soft_dirty_works() { return !pages_are_merged() && Trial().run(); }

bool may_clear_soft_dirty(const Target& target) {
  return UniqueFd(::open(fmt::format("/proc/{}/clear_refs", target.pid()).c_str(), O_WRONLY | O_CLOEXEC)).valid();
}

Result<std::uint64_t> clear_soft_dirty(const Target& target) {
  const auto path = fmt::format("/proc/{}/clear_refs", target.pid());
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  const int error = errno;
  if (!target.alive())  // asked for after opening: it is that very process's file
    return Error{ErrorKind::no_target, fmt::format("pid {} ({}): it has ended", target.pid(), target.exe())};
  const std::uint64_t begin = now_ns();
  if (!file || !clear(file.get()))
    return failure(fmt::format("pid {} ({}): cannot write {}: {}; run with sudo", target.pid(), target.exe(), path,
                               std::strerror(file ? errno : error)));
  return now_ns() - begin;
}

}  // namespace gotrace::process
