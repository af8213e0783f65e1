// Resident memory by what it is mapped for, from /proc/PID/smaps: which part of it the Go heap is not.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "records/record.h"

namespace gotrace::process {

class MappingParts {
 public:
  // `is_go_heap`: whether an anonymous mapping that begins at this address belongs to Go's heap. `root`: for tests.
  MappingParts(pid_t pid, std::function<bool(std::uint64_t address)> is_go_heap, std::string root = "");

  // Bytes resident and swapped, by part. nullopt: not now (a look walks all page tables, so that it rests for many
  // times what it took), or smaps can't be read.
  [[nodiscard]] std::optional<ResourceLook> look(std::uint64_t now_ns);

 private:
  pid_t pid_;
  std::function<bool(std::uint64_t)> is_go_heap_;
  std::string root_;
  std::uint64_t next_ns_ = 0;
};

}  // namespace gotrace::process
