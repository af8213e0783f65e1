// Open files of a process: how many of which kind, and in which states its TCP connections are. Bounded in time: of
// very many files only the number is read.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "records/record.h"

namespace gotrace::process {

// What the link of /proc/PID/fd/N says of its kind: "file", "socket", "pipe", "device", "eventpoll", ...; never a path.
[[nodiscard]] std::string open_file_kind(const std::string& link);

// The number of open files: from the size of /proc/PID/fd where the kernel (6.2 on) tells it there, else by counting.
[[nodiscard]] std::optional<std::uint64_t> count_open_files(const std::string& root, pid_t pid);

class OpenFiles {
 public:
  static constexpr std::size_t kMostListed = 1U << 16;  // beyond, only counted
  static constexpr std::size_t kMostRead = 2000;        // links read in one look

  // `root` stands for "/": tests have one of their own.
  explicit OpenFiles(pid_t pid, std::string root = "") : pid_(pid), root_(std::move(root)) {}

  // One look at the files, and one at the states of its sockets when there are any; empty: /proc/PID/fd can't be read.
  // `now_ns`: CLOCK_MONOTONIC.
  [[nodiscard]] std::vector<ResourceLook> look(std::uint64_t now_ns);

 private:
  struct Entry {
    std::string kind;                // empty: its link was not read
    std::uint64_t identity = 0;      // hash of the link: another one means another file under the same number
    std::uint64_t socket_inode = 0;  // 0: no socket
    std::uint32_t seen = 0;          // the look that last saw it
    std::uint32_t first_seen = 0;
    bool settled = false;  // two looks in a row have seen it
  };
  [[nodiscard]] bool list(const std::string& directory, std::vector<std::uint32_t>& numbers) const;
  void visit(std::uint32_t number, bool read_link, ResourceLook& look);
  void arrive(Entry& entry, ResourceLook& look) const;
  void forget_closed(ResourceLook& look);
  [[nodiscard]] std::uint64_t limit() const;
  [[nodiscard]] std::optional<ResourceLook> look_at_sockets(std::uint64_t now_ns);

  pid_t pid_;
  std::string root_;
  std::unordered_map<std::uint32_t, Entry> entries_;
  std::uint32_t looks_ = 0;
  std::uint64_t next_sockets_ns_ = 0;
};

}  // namespace gotrace::process
