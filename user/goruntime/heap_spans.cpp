#include "goruntime/heap_spans.h"

#include <algorithm>

#include "goruntime/goroutine_reader_batch.h"
#include "goruntime/heap_arenas.h"

namespace gotrace::goruntime {
namespace {

constexpr std::uint64_t kMostSpans = 1U << 24;

bool sane(const SpanView& span) {
  return span.in_use() && span.limit > span.base && span.limit - span.base <= span.pages * kHeapPage;
}

}  // namespace

// mheap_.allspans only ever grows, but its array moves when it does (runtime/mheap.go, recordspan): an address of the
// old array holds old spans, so that is no harm. Nothing is freed.
std::optional<std::vector<process::Address>> read_span_addresses(const Program& program) {
  const auto& mheap = program.layout().mheap;
  const auto heap = program.global("mheap_");
  if (!heap || !mheap.allspans_array.present() || !mheap.allspans_len.present()) return std::nullopt;
  auto& memory = program.target().memory();
  const auto array = memory.value<process::Address>(*heap + mheap.allspans_array.offset);
  const auto length = memory.value<std::uint64_t>(*heap + mheap.allspans_len.offset);
  if (!array || !length || *length > kMostSpans) return std::nullopt;
  std::vector<process::Address> addresses(static_cast<std::size_t>(*length));
  if (!memory.read(*array, std::as_writable_bytes(std::span(addresses)))) return std::nullopt;
  return addresses;
}

std::optional<HeapSpans> HeapSpans::read(const Program& program) {
  auto addresses = read_span_addresses(program);
  const Layout& layout = program.layout();
  if (!addresses || layout.mspan.size == 0) return std::nullopt;
  std::vector<SpanView> spans;
  run_read_plan(program.target().memory(), make_read_plan(std::move(*addresses), layout.mspan.size),
                [&](std::uint32_t, Bytes bytes) {
                  if (const SpanView span = decode_span(layout, bytes); sane(span)) spans.push_back(span);
                });
  return HeapSpans(std::move(spans));
}

HeapSpans::HeapSpans(std::vector<SpanView> spans) : spans_(std::move(spans)) {
  std::erase_if(spans_, [](const SpanView& span) { return !sane(span); });
  std::ranges::sort(spans_, {}, &SpanView::base);
  process::Address end = 0;
  std::erase_if(spans_, [&](const SpanView& span) {
    if (span.base < end) return true;  // seen before and after it was freed and made anew
    end = span.base + span.pages * kHeapPage;
    bytes_ += span.pages * kHeapPage;
    return false;
  });
}

const SpanView* HeapSpans::find(process::Address address) const {
  const auto after = std::ranges::upper_bound(spans_, address, {}, &SpanView::base);
  if (after == spans_.begin()) return nullptr;
  const SpanView& span = *std::prev(after);
  return address < span.limit ? &span : nullptr;
}

}  // namespace gotrace::goruntime
