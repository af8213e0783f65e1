// Files that are made here: new ones, readable by their owner only, never reached through a link.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "base/byte_reader.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace gotrace {

// "no space left on device": the system's words for an errno, as they go into a sentence.
[[nodiscard]] std::string system_text(int code);

// Opens a file that does not exist yet for writing; invalid, with errno, when it can't be made.
[[nodiscard]] UniqueFd create_private(const std::string& path);

// A file without a name in `folder`, gone with whoever has it open; invalid, with errno, where the file system, or the
// kernel, has none (open(2), O_TMPFILE: EOPNOTSUPP, EISDIR, EINVAL), or the folder can't be written to.
[[nodiscard]] UniqueFd create_nameless(const std::string& folder);

// Why a name is not free: `mode` is of what is there. Nothing but an ordinary file is ever replaced.
[[nodiscard]] Error occupied(const std::string& path, mode_t mode, bool replace);

// Under sudo the file belongs to who asked for it. Where that can't be done (some network file systems) it stays
// root's: no reason to write nothing.
void give_to_sudo_user(int fd);

// A file that is there complete or not at all: until finish() it has no name, so that it is gone with whoever writes
// it, killed or not. Where the file system has no such files it has another name until then, and is removed without
// that.
class PendingFile {
 public:
  // `what` is for error texts: "the snapshot". Errors: the name is taken, and not to be replaced; it can't be made.
  [[nodiscard]] static Result<PendingFile> create(const std::string& path, bool replace, std::string what);
  PendingFile(PendingFile&& other) noexcept;
  PendingFile& operator=(PendingFile&&) = delete;
  PendingFile(const PendingFile&) = delete;
  PendingFile& operator=(const PendingFile&) = delete;
  ~PendingFile();

  [[nodiscard]] Status write(Bytes bytes);
  // Under its name, and whole. Takes no other's place unless that was asked for.
  [[nodiscard]] Status finish();
  [[nodiscard]] std::uint64_t bytes_written() const { return written_; }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  PendingFile() = default;
  [[nodiscard]] Error error(int code) const;
  [[nodiscard]] int flush() const;
  [[nodiscard]] int put_in_place();

  std::string path_, temporary_, what_;  // temporary_: its name now; empty: it has none, or is in place
  UniqueFd fd_;
  bool replace_ = false;
  std::uint64_t written_ = 0;
};

}  // namespace gotrace
