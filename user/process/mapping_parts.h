// Memory of the process's own that is not Go's heap: which is resident or swapped, of C's heap (brk) and of anonymous
// mappings, from /proc/PID/maps and pagemap. smaps would walk the page tables of the Go heap as well, most of the work.
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

  // Bytes, by part, and how many mappings. nullopt: not now (it rests for many times what a look took), or they can't
  // be read.
  [[nodiscard]] std::optional<ResourceLook> look(std::uint64_t now_ns);

 private:
  pid_t pid_;
  std::function<bool(std::uint64_t)> is_go_heap_;
  std::string root_;
  std::uint64_t next_ns_ = 0;
};

}  // namespace gotrace::process
