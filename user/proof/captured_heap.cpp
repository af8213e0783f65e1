#include "proof/captured_heap.h"

#include <fmt/format.h>

#include <utility>

#include "goruntime/goroutine_reader_batch.h"
#include "goruntime/heap_arenas.h"
#include "goruntime/heap_spans.h"

namespace gotrace::proof {

using goruntime::SpanView;
using process::MemoryRange;

bool is_copied(const SpanView& span) { return span.manual() || (span.in_use() && !span.noscan()); }

std::vector<MemoryRange> ranges_of(const std::vector<SpanView>& spans) {
  std::vector<MemoryRange> ranges;
  for (const SpanView& span : spans)
    if (is_copied(span)) ranges.push_back({span.base, span.base + span.pages * goruntime::kHeapPage});
  return process::merged(std::move(ranges));
}

Status find_spans(Captured& into) {
  const auto& program = *into.program;
  const auto about = fmt::format("pid {} ({}): ", program.target().pid(), program.target().exe());
  const auto addresses = goruntime::read_span_addresses(program);
  const auto& layout = program.layout();
  const auto heap = program.global("mheap_");
  const auto sweepgen =
      heap ? into.snapshot->bytes(*heap + layout.mheap.sweepgen.offset, sizeof(std::uint32_t)) : std::nullopt;
  if (!addresses || layout.mspan.size == 0 || !sweepgen) return failure(about + "the spans of its heap can't be read");
  into.heap_sweepgen = load_or_zero<std::uint32_t>(*sweepgen, 0);
  for (const process::Address address : *addresses) {
    const auto bytes = into.snapshot->bytes(address, layout.mspan.size);
    if (!bytes) return failure(about + "the list of its heap's spans leads to none");
    const SpanView span = goruntime::decode_span(layout, *bytes);
    if (span.in_use() || span.manual()) into.spans.push_back(span);
  }
  return success();
}

}  // namespace gotrace::proof
