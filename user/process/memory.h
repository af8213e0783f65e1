// RemoteMemory: the bytes of another process, by address. Three implementations: a live process, a fake for tests,
// and (later) a snapshot or core. A failed read is never zero: it is reported as such.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/byte_reader.h"

namespace gotrace::process {

using Address = std::uint64_t;

struct ReadRequest {
  Address address = 0;
  std::span<std::byte> into;
  bool done = false;  // out: all of `into` was filled
};

class RemoteMemory {
 public:
  virtual ~RemoteMemory() = default;

  // Fills all of `into` or returns false; what `into` then holds is unspecified. Never reads past `into`.
  [[nodiscard]] virtual bool read(Address address, std::span<std::byte> into) = 0;

  // As many reads as fit go into one system call. Each request's `done` says whether it was filled; one that fails
  // does not stop the others. Order of `requests` is kept.
  virtual void read_many(std::span<ReadRequest> requests);  // default: one read() each

  template <typename T>
  [[nodiscard]] std::optional<T> value(Address address) {
    T result;
    if (!read(address, std::as_writable_bytes(std::span(&result, 1)))) return std::nullopt;
    return result;
  }
  // nullopt also when `size` exceeds 256 MiB: sizes come from the target.
  [[nodiscard]] std::optional<std::vector<std::byte>> block(Address address, std::uint64_t size);
};

// process_vm_readv on a live process. Does not stop it. Reads of pages that are not mapped fail.
// `pid` must be guarded against reuse by the caller (process::Target holds a pidfd).
class LiveMemory final : public RemoteMemory {
 public:
  explicit LiveMemory(pid_t pid) : pid_(pid) {}
  [[nodiscard]] bool read(Address address, std::span<std::byte> into) override;
  void read_many(std::span<ReadRequest> requests) override;

 private:
  pid_t pid_;
};

}  // namespace gotrace::process
