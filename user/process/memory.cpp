#include "process/memory.h"

#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <limits>

namespace gotrace::process {
namespace {

constexpr std::uint64_t kLargestBlock = 256ULL << 20;
// The kernel cuts one call off at MAX_RW_COUNT, 2 GiB less a page (include/linux/fs.h, Linux 6.1).
constexpr std::size_t kBytesPerCall = 1U << 30;
constexpr std::size_t kRangesPerCall = 1024;  // UIO_MAXIOV, include/uapi/linux/uio.h

iovec local_range(std::span<std::byte> bytes) { return {bytes.data(), bytes.size()}; }

iovec remote_range(Address address, std::size_t size) {
  return {reinterpret_cast<void*>(address), size};  // NOLINT(performance-no-int-to-ptr): an address of another process
}

// One system call over the leading requests of `requests`. Returns how many of them it settled, at least one.
std::size_t read_batch(pid_t pid, std::span<ReadRequest> requests) {
  std::vector<iovec> local;
  std::vector<iovec> remote;
  local.reserve(std::min(requests.size(), kRangesPerCall));
  remote.reserve(std::min(requests.size(), kRangesPerCall));
  std::size_t count = 0;
  std::size_t bytes = 0;
  for (; count < requests.size() && count < kRangesPerCall; ++count) {
    const auto into = requests[count].into;
    if (into.size() > kBytesPerCall - bytes) break;
    bytes += into.size();
    local.push_back(local_range(into));
    remote.push_back(remote_range(requests[count].address, into.size()));
  }
  const ssize_t got = ::process_vm_readv(pid, local.data(), count, remote.data(), count, 0);
  if (got < 0 && errno != EFAULT) return requests.size();  // the process is gone, or not ours to read: all fail
  // The kernel stops at the first page that it can't read. What came before it was read, possibly including the first
  // pages of the request that failed; that one is passed over and the next call goes on behind it.
  auto rest = static_cast<std::size_t>(std::max<ssize_t>(got, 0));
  for (std::size_t i = 0; i < count; ++i) {
    if (requests[i].into.size() > rest) return i + 1;
    rest -= requests[i].into.size();
    requests[i].done = true;
  }
  return count;
}

}  // namespace

void RemoteMemory::read_many(std::span<ReadRequest> requests) {
  for (ReadRequest& request : requests) request.done = read(request.address, request.into);
}

std::optional<std::vector<std::byte>> RemoteMemory::block(Address address, std::uint64_t size) {
  if (size > kLargestBlock) return std::nullopt;
  std::vector<std::byte> bytes(static_cast<std::size_t>(size));
  if (!read(address, bytes)) return std::nullopt;
  return bytes;
}

bool LiveMemory::read(Address address, std::span<std::byte> into) {
  if (into.size() > std::numeric_limits<Address>::max() - address) return false;
  while (!into.empty()) {
    const auto part = into.first(std::min(into.size(), kBytesPerCall));
    const iovec local = local_range(part);
    const iovec remote = remote_range(address, part.size());
    const ssize_t got = ::process_vm_readv(pid_, &local, 1, &remote, 1, 0);
    if (got < 0 || static_cast<std::size_t>(got) != part.size()) return false;
    into = into.subspan(part.size());
    address += part.size();
  }
  return true;
}

void LiveMemory::read_many(std::span<ReadRequest> requests) {
  for (ReadRequest& request : requests) request.done = false;
  while (!requests.empty()) {
    if (requests.front().into.size() > kBytesPerCall) {
      requests.front().done = read(requests.front().address, requests.front().into);
      requests = requests.subspan(1);
      continue;
    }
    requests = requests.subspan(read_batch(pid_, requests));
  }
}

}  // namespace gotrace::process
