// ExecutableMemory: what a process has of its executable and never changes (code, constants), read from the file.
#pragma once

#include "process/elf_image.h"
#include "process/memory.h"

namespace gotrace::process {

class ExecutableMemory final : public RemoteMemory {
 public:
  // `bias`: run-time address less link-time address.
  ExecutableMemory(ElfImage image, Address bias) : image_(std::move(image)), bias_(bias) {}
  // False for what is in no segment that can't be written to: the process may have changed that.
  [[nodiscard]] bool read(Address address, std::span<std::byte> into) override;

 private:
  ElfImage image_;
  Address bias_;
};

}  // namespace gotrace::process
