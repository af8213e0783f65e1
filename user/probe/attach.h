// Attachment: a BPF program on uprobes, owned by file descriptors. Whatever ends us, the kernel closes them and takes
// the breakpoints out of the target's code.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "probe/kernel_side.h"

namespace gotrace::probe {

class Attachment {
 public:
  Attachment() = default;
  explicit Attachment(std::vector<UniqueFd> fds) : fds_(std::move(fds)) {}
  [[nodiscard]] bool attached() const { return !fds_.empty(); }
  // Takes the breakpoints out: some 30 ms with a multi link, up to 70 ms a site with perf events; hits go on meanwhile.
  void detach() { fds_.clear(); }

 private:
  std::vector<UniqueFd> fds_;
};

struct AttachPlace {
  std::string path;  // names the file for the kernel: /proc/self/fd/N
  std::span<const std::uint64_t> file_offsets;
  pid_t pid = 0;  // only in this process, all its threads
};

// All sites or none. Errors name what the kernel said.
[[nodiscard]] Result<Attachment> attach_program(AttachKind kind, int program_fd, const AttachPlace& place);

}  // namespace gotrace::probe
