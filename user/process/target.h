// Target: the process that is looked at. Holds what keeps the answer to "is it still that process?" true: a pidfd and
// the start time. Opened once, read-only.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "process/memory.h"

namespace gotrace::process {

struct Mapping {  // a line of /proc/PID/maps
  Address begin = 0;
  Address end = 0;
  std::uint64_t file_offset = 0;
  std::uint64_t inode = 0;
  std::uint32_t device_major = 0;
  std::uint32_t device_minor = 0;
  bool readable = false;
  bool writable = false;
  bool executable = false;
  std::string path;  // empty: anonymous
};

// A process as it was at one moment, that can't be asked any more: what its file (a snapshot, a core) says of it.
struct PostMortem {
  pid_t pid = 0;
  std::int32_t ns_pid = 0;  // in the innermost pid namespace
  std::string host;
  std::string cgroup;
  std::string exe;
  bool exe_deleted = false;
  std::int64_t started_wall_ns = 0;  // CLOCK_REALTIME; 0: not known
  std::uint64_t started_ns = 0;      // CLOCK_MONOTONIC of its host
  Address load_bias = 0;             // run-time address = link-time address of its executable + this
};

class Target {
 public:
  // Errors (CONTRACT section 2), each its own: no such process, a zombie, a kernel thread, our own pid, no permission.
  // Whether it is a Go program is goruntime::Program's to say.
  [[nodiscard]] static Result<Target> open(pid_t pid);
  // One whose process can't be asked; `exe`: its executable file.
  [[nodiscard]] static Target of_file(PostMortem facts, UniqueFd exe, std::unique_ptr<RemoteMemory> memory);

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] const std::string& exe() const { return exe_; }  // readlink of /proc/PID/exe, " (deleted)" taken off
  [[nodiscard]] bool exe_deleted() const { return exe_deleted_; }
  [[nodiscard]] int exe_fd() const {
    return exe_fd_.get();
  }  // /proc/PID/exe, opened: the file that runs, whatever is on disk
  [[nodiscard]] int pidfd() const { return pidfd_.get(); }  // readable (poll) when the process has ended
  [[nodiscard]] std::uint64_t start_ticks() const { return start_ticks_; }  // field 22 of /proc/PID/stat
  // What is known of it instead of what /proc says: null for a process that is there.
  [[nodiscard]] const PostMortem* post_mortem() const { return post_mortem_ ? &*post_mortem_ : nullptr; }
  [[nodiscard]] std::uint64_t started_ns() const;      // CLOCK_MONOTONIC
  [[nodiscard]] std::int64_t started_wall_ns() const;  // CLOCK_REALTIME
  [[nodiscard]] bool alive() const;                    // still that very process; false for one of a file
  // Error, too: it can't be asked any more.
  [[nodiscard]] Result<std::vector<Mapping>> mappings() const;
  [[nodiscard]] RemoteMemory& memory() const { return *memory_; }

  // The same process, its memory being what `memory` says (a snapshot). Error: out of file descriptors.
  [[nodiscard]] Result<Target> seen_through(std::unique_ptr<RemoteMemory> memory) const;

 private:
  Target() = default;
  pid_t pid_ = 0;
  std::string exe_;
  bool exe_deleted_ = false;
  UniqueFd exe_fd_;
  UniqueFd pidfd_;
  std::uint64_t start_ticks_ = 0;
  std::uint64_t stack_start_ = 0;  // 0: not known
  std::optional<PostMortem> post_mortem_;
  std::unique_ptr<RemoteMemory> memory_;
};

}  // namespace gotrace::process
