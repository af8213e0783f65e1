// Which pages of a process are in memory. A read faults absent pages in and is charged to the process's own cgroup:
// when memory is short, only what is present may be read.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "base/unique_fd.h"
#include "process/memory.h"
#include "records/record.h"

namespace gotrace::process {

// Whether reading absent pages could hurt: some of it is swapped out, or a limit is nearly reached.
[[nodiscard]] bool memory_is_short(const MemoryFigures& figures);

class PresentPages {
 public:
  // Of process `pid`. Without the right to read its pagemap every page counts as absent.
  explicit PresentPages(pid_t pid);
  // Whether all pages of [address, address + size) are present; false for more than 256 MiB.
  [[nodiscard]] bool present(Address address, std::uint64_t size) const;

 private:
  UniqueFd pagemap_;
};

}  // namespace gotrace::process
