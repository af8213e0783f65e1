// The snapshot reader over arbitrary bytes. The input is a file as it is; and, so that the fuzzer gets past the
// checksums, also what a block of it holds.
#include "proof/snapshot_file.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>

#include "base/unique_fd.h"
#include "proof/snapshot_facts.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gotrace;
  const UniqueFd fd(::memfd_create("input", MFD_CLOEXEC));
  require(::pwrite(fd.get(), data, size, 0) == static_cast<ssize_t>(size));
  const auto captured = proof::read_snapshot(fd.get(), "input");
  require(captured.ok() || !captured.error().text.empty());

  const Bytes bytes = std::as_bytes(std::span(data, size));
  if (const auto facts = proof::decode_facts(bytes)) require(proof::decode_facts(proof::encode(*facts)).has_value());
  if (const auto thread = proof::decode_thread(bytes))
    require(proof::decode_thread(proof::encode(*thread))->registers == thread->registers);
  if (const auto ranges = proof::decode_ranges(bytes))
    for (const auto& range : *ranges) require(range.begin < range.end);
  return 0;
}
