// CoreFile: an ELF core of a process (of gcore, or of a crash), as far as judging its memory needs it. The file is
// somebody else's: every offset and count is checked, and memory is taken for what it holds only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "process/memory.h"
#include "process/snapshot.h"
#include "process/stopped_target.h"

namespace gotrace::process {

struct CoreSegment {  // PT_LOAD: a mapping
  MemoryRange range;
  std::uint64_t file_offset = 0;
  std::uint64_t file_bytes = 0;  // from its beginning on; what is behind was left out, or cut off
  bool writable = false;
};

struct CoreMapping {  // of a file, NT_FILE
  MemoryRange range;
  std::string path;
};

class CoreFile final : public RemoteMemory {
 public:
  // `name` is for error texts. Errors: no core of an amd64 process, or damaged.
  [[nodiscard]] static Result<CoreFile> open(UniqueFd fd, std::string name);

  // Of what the core holds; false for all else.
  [[nodiscard]] bool read(Address address, std::span<std::byte> into) override;

  [[nodiscard]] const std::vector<CoreSegment>& segments() const { return segments_; }  // by rising address
  [[nodiscard]] const std::vector<CoreMapping>& mappings() const { return mappings_; }
  [[nodiscard]] const std::vector<StoppedThread>& threads() const { return threads_; }
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] Address entry() const { return entry_; }   // run-time, of the executable; 0: not known
  [[nodiscard]] bool cut_off() const { return cut_off_; }  // shorter than it says itself
  // Whether all threads' vector registers are in it.
  [[nodiscard]] bool vector_registers_known() const;
  // Where the executable was, by the mapping that its entry is in; empty: not known.
  [[nodiscard]] std::string executable() const;
  // Where its first mapping begins.
  [[nodiscard]] std::optional<Address> executable_begin() const;
  // Whether all of it is in the core.
  [[nodiscard]] bool holds(MemoryRange range) const;

 private:
  CoreFile(UniqueFd fd, std::string name) : fd_(std::move(fd)), name_(std::move(name)) {}
  [[nodiscard]] Status parse();
  [[nodiscard]] bool read_file(std::uint64_t offset, std::span<std::byte> into) const;
  [[nodiscard]] Error damaged(const char* why) const;
  [[nodiscard]] Status load_notes(std::uint64_t offset, std::uint64_t size);
  void take_note(std::uint32_t type, Bytes note);
  void take_thread(Bytes note);
  void take_mappings(Bytes note);
  void take_auxiliary(Bytes note);

  UniqueFd fd_;
  std::string name_;
  std::uint64_t size_ = 0;
  std::vector<CoreSegment> segments_;
  std::vector<MemoryRange> held_;
  std::vector<CoreMapping> mappings_;
  std::vector<StoppedThread> threads_;
  pid_t pid_ = 0;
  Address entry_ = 0;
  bool cut_off_ = false;
};

}  // namespace gotrace::process
