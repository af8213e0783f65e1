#include "goruntime/object_lookup.h"

#include "goruntime/goroutine_reader_list.h"
#include "goruntime/heap_arenas.h"

namespace gotrace::goruntime {
namespace {

constexpr std::uint8_t kSpanInUse = 1;            // mSpanInUse, runtime/mheap.go
constexpr std::uint8_t kSpanManual = 2;           // mSpanManual
constexpr std::uint64_t kMostPages = 1ULL << 35;  // 48 bits of address space
constexpr int kAttempts = 3;

std::uint64_t number(Bytes bytes, const Field& field) {
  if (field.size == 2) return load_or_zero<std::uint16_t>(bytes, field.offset);
  if (field.size == 4) return load_or_zero<std::uint32_t>(bytes, field.offset);
  return load_or_zero<std::uint64_t>(bytes, field.offset);
}

}  // namespace

bool SpanView::in_use() const {
  return state == kSpanInUse && base != 0 && base % kHeapPage == 0 && pages != 0 && pages < kMostPages &&
         element_size != 0 && element_size <= pages * kHeapPage && elements != 0 &&
         elements <= pages * kHeapPage / element_size;
}

bool SpanView::manual() const {
  return state == kSpanManual && base != 0 && base % kHeapPage == 0 && pages != 0 && pages < kMostPages;
}

SpanView decode_span(const Layout& layout, Bytes bytes) {
  const auto& span = layout.mspan;
  return {.base = number(bytes, span.startAddr),
          .pages = number(bytes, span.npages),
          .element_size = number(bytes, span.elemsize),
          .elements = number(bytes, span.nelems),
          .free_index = number(bytes, span.freeindex),
          .limit = number(bytes, span.limit),
          .alloc_bits = number(bytes, span.allocBits),
          .mark_bits = number(bytes, span.gcmarkBits),
          .specials = number(bytes, span.specials),
          .large_type = span.largeType.present() ? number(bytes, span.largeType) : 0,
          .sweepgen = static_cast<std::uint32_t>(number(bytes, span.sweepgen)),
          .span_class = load_or_zero<std::uint8_t>(bytes, span.spanclass.offset),
          .state = load_or_zero<std::uint8_t>(bytes, span.state.offset),
          .user_arena =
              span.isUserArenaChunk.present() && load_or_zero<std::uint8_t>(bytes, span.isUserArenaChunk.offset) != 0};
}

HeapObjects::HeapObjects(const Program& program)
    : program_(program), layout_(program.layout()), memory_(program.target().memory()) {
  heap_ = program.global("mheap_").value_or(0);
  why_unusable_ = find_out();
  if (why_unusable_.empty()) why_unusable_ = validate();
}

std::string HeapObjects::find_out() const {
  const auto& span = layout_.mspan;
  if (heap_ == 0) return "runtime.mheap_ was not found: " + program_.why_missing("mheap_");
  for (const Field* field : {&span.startAddr, &span.npages, &span.elemsize, &span.nelems, &span.freeindex, &span.limit,
                             &span.allocBits, &span.gcmarkBits, &span.sweepgen, &span.spanclass, &span.state,
                             &layout_.mheap.arenas, &layout_.mheap.sweepgen, &layout_.heapArena.spans}) {
    if (!field->present()) return "the layout of the heap is not known for this Go version";
  }
  return {};
}

// g structs are heap objects (runtime/proc.go, malg): each must be found at the start of a slot that holds it.
std::string HeapObjects::validate() {
  constexpr std::size_t kSample = 16;
  const auto all = read_allgs(program_);
  if (!all) return "runtime.allgs can't be read";
  std::size_t tried = 0;
  std::size_t found = 0;
  for (std::size_t i = 0; i < all->size() && i < kSample; ++i, ++tried) {
    const auto span = span_of((*all)[i]);
    const auto view = span ? read_span(*span) : std::nullopt;
    if (!view || !view->in_use() || view->element_size < layout_.g.size) continue;
    if (((*all)[i] - view->base) % view->element_size == 0) ++found;
  }
  // The g that a C program's thread came with is static.
  return found != 0 && found + 1 >= tried ? "" : "the layout of the heap does not fit this process";
}

std::optional<process::Address> HeapObjects::span_of(process::Address address) {
  const std::uint64_t index = arena_index(address);
  if (index >= kMostArenas) return std::nullopt;
  auto known = arenas_.find(index);
  if (known == arenas_.end()) {
    const auto arena = heap_arena(program_, address);
    if (!arena) return std::nullopt;
    known = arenas_.emplace(index, *arena).first;
  }
  const std::uint64_t page = offset_in_arena(address) / kHeapPage;
  const auto span = memory_.value<process::Address>(known->second + layout_.heapArena.spans.offset + 8 * page);
  return span && *span != 0 ? span : std::nullopt;
}

std::optional<SpanView> HeapObjects::read_span(process::Address span) const {
  const auto bytes = memory_.block(span, layout_.mspan.size);
  return bytes ? std::optional(decode_span(layout_, *bytes)) : std::nullopt;
}

// Which bits say what survived the last completed GC (runtime/mheap.go, the comment at sweepgen). Swept since, the mark
// bits have become the allocBits. Not swept yet, they are the gcmarkBits still, which from Go 1.25 on (Green Tea) are
// complete only when the span is swept. Nothing can be said while it is swept.
std::optional<process::Address> HeapObjects::bits_to_trust(const SpanView& span, std::uint32_t heap_sweepgen) const {
  const std::uint32_t ahead = span.sweepgen - heap_sweepgen;
  if (ahead == 0 || ahead == 3) return span.alloc_bits;
  const bool unswept = ahead == 1 || ahead == static_cast<std::uint32_t>(-2);
  if (unswept && !layout_.heapArena.pageUseSpanInlineMarkBits.present()) return span.mark_bits;
  return std::nullopt;
}

std::optional<ObjectLookup::Object> HeapObjects::find(process::Address address) {
  if (!available()) return std::nullopt;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const auto place = span_of(address);
    const auto span = place ? read_span(*place) : std::nullopt;
    if (!span || !span->in_use() || address < span->base || address >= span->limit) return std::nullopt;
    const std::uint64_t slot = (address - span->base) / span->element_size;
    const auto generation = heap_sweepgen();
    if (slot >= span->elements || !generation) return std::nullopt;
    const auto bits = bits_to_trust(*span, *generation);
    const auto byte = bits ? memory_.value<std::uint8_t>(*bits + slot / 8) : std::nullopt;
    if (!byte) continue;
    // The bitmaps are swapped and reused: what was read counts if nothing moved meanwhile.
    const auto after = read_span(*place);
    if (!after || after->sweepgen != span->sweepgen || after->base != span->base ||
        after->alloc_bits != span->alloc_bits || heap_sweepgen() != generation) {
      continue;
    }
    const bool marked = ((*byte >> (slot % 8)) & 1) != 0;
    return Object{.base = span->base + slot * span->element_size,
                  .size = span->element_size,
                  .span_class = span->span_class,
                  .noscan = span->noscan(),
                  .marked = marked,
                  .allocated = marked || slot < span->free_index,
                  .span_sweepgen = span->sweepgen,
                  .heap_sweepgen = *generation};
  }
  return std::nullopt;
}

std::optional<std::uint32_t> HeapObjects::heap_sweepgen() {
  if (heap_ == 0 || !layout_.mheap.sweepgen.present()) return std::nullopt;
  return memory_.value<std::uint32_t>(heap_ + layout_.mheap.sweepgen.offset);
}

std::unique_ptr<ObjectLookup> make_object_lookup(const Program& program, RecordSink& sink) {
  auto lookup = std::make_unique<HeapObjects>(program);
  sink.accept(SourceState{.time_ns = monotonic_ns(),
                          .name = "object-fates",
                          .status = lookup->available() ? SourceStatus::on : SourceStatus::failed,
                          .reason = lookup->why_unusable(),
                          .fix = ""});
  return lookup;
}

}  // namespace gotrace::goruntime
