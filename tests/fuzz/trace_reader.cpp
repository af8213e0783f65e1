// The trace reader over arbitrary bytes. The input is a file as it is; and, so that the fuzzer gets past the checksums,
// also the payload of a chunk.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "trace/decoder.h"
#include "trace/trace.h"

namespace {

using namespace gotrace;

// Looks at what a consumer relies on.
class Checker : public RecordSink {
 public:
  void accept(const Record& record) override {
    ++count;
    if (const auto* state = std::get_if<GoroutineState>(&record)) require(state->wait_objects.size() <= 8);
    if (const auto* location = std::get_if<LocationRecord>(&record)) require(!location->frames.empty());
    if (const auto* stack = std::get_if<StackRecord>(&record)) require(stack->id != StackId::none);
  }
  static void require(bool condition) {
    if (!condition) std::abort();
  }
  std::uint64_t count = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  Checker file;
  const auto summary = trace::read_bytes(bytes, "input", file);
  if (summary.ok()) {
    Checker::require(summary->records == file.count);
    Checker::require(summary->bytes_read <= size);
    Checker::require(summary->complete || !summary->trouble.empty());
  }
  Checker payload;
  trace::Delivery delivery(payload);
  trace::decode_payload(bytes, delivery);
  Checker::require(delivery.records() == payload.count);
  return 0;
}
