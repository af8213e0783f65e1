// A record of the probes' ring buffer: whatever its bytes are, it is decoded or refused, and a span that it claims to
// have copied is either a sound one or none.
#include <cstdint>
#include <cstdlib>

#include "probe/events.h"
#include "probe/spans.h"

namespace {

struct NoMemory final : gotrace::process::RemoteMemory {
  bool read(gotrace::process::Address, std::span<std::byte>) override { return false; }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto event = gotrace::probe::decode_event(std::as_bytes(std::span(data, size)));
  if (!event) return 0;
  const auto* refill = std::get_if<gotrace_refill>(&*event);
  if (refill == nullptr) return 0;
  NoMemory memory;
  for (const auto& layout : gotrace::goruntime::layouts()) {
    const auto object = gotrace::probe::SpanLook(memory, layout).replaced(*refill);
    if (object && (object->free_slots == 0 || object->free_slots > 1024 || object->size > 32768)) std::abort();
  }
  return 0;
}
