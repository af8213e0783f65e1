#include "proof/roots.h"

#include <fmt/format.h>

#include <algorithm>

#include "goruntime/heap_spans.h"
#include "goruntime/semaphore_waiters.h"

namespace gotrace::proof {

using goruntime::Special;
using process::MemoryRange;

namespace {

constexpr std::uint64_t kMostProcessors = 1U << 16;
constexpr std::uint64_t kSudogBufferBytes = 128 * 8;  // p.sudogbuf, behind p.sudogcache (runtime/runtime2.go)

struct SliceHeader {
  Address data = 0;
  std::uint64_t length = 0;
  std::uint64_t capacity = 0;
};

MemoryRange range_of(Address base, const goruntime::Field& field, std::uint64_t more = 0) {
  return {base + field.offset, base + field.end() + more};
}

}  // namespace

std::string Roots::set_aside_bookkeeping(const Goroutines& goroutines) {
  for (const Address g : goroutines.list())
    if (const auto object = graph_.find(g)) marker_.set_aside(*object);
  for (const ObjectRef object : goroutines.bookkeeping()) marker_.set_aside(object);
  return {};
}

// Words that hold pointers as the GC sees it (moduledata.gcdatamask and gcbssmask), less the table of semaphores: that
// somebody waits on one does not make it reachable.
std::string Roots::mark_data() {
  const auto& program = *captured_.program;
  const goruntime::PointerMaps maps(program);
  const auto table = goruntime::semaphore_table(program).value_or(goruntime::SemaphoreTable{});
  for (const goruntime::DataRange& range : program.data_ranges()) {
    const Address begin = range.begin + program.load_bias();
    const std::uint64_t size = range.end > range.begin ? range.end - range.begin : 0;
    const auto bytes = captured_.snapshot->bytes(begin, size);
    if (!bytes) return "the package variables can't be read";
    const auto pointers = maps.data_words(begin, size / 8);
    for (std::uint64_t at = 0; at + 8 <= size; at += 8) {
      if (begin + at - table.begin < table.size) continue;
      if (pointers && !(*pointers)[static_cast<std::size_t>(at / 8)]) continue;
      marker_.from({Origin::Kind::variable, begin + at});
      marker_.mark(load_or_zero<std::uint64_t>(*bytes, at));
    }
  }
  return {};
}

void Roots::mark_except(Address begin, Bytes words, const std::vector<MemoryRange>& left_out) {
  auto next = std::ranges::upper_bound(left_out, begin, {}, &MemoryRange::end);
  for (std::size_t at = 0; at + 8 <= words.size(); at += 8) {
    while (next != left_out.end() && begin + at >= next->end) ++next;
    if (next != left_out.end() && begin + at >= next->begin) continue;
    marker_.mark(load_or_zero<std::uint64_t>(words, at));
  }
}

// A P leads to its timers. Its store of unused sudogs, the write barrier's buffer and the GC's work are no roots
// (runtime/runtime2.go, p). Ps that a smaller GOMAXPROCS has left over have nothing of the kind.
std::string Roots::mark_processors() {
  const auto& program = *captured_.program;
  const auto& fields = program.layout().p;
  const auto allp = program.global("allp");
  const auto header = allp ? program.target().memory().value<SliceHeader>(*allp) : std::nullopt;
  if (!header || header->capacity > kMostProcessors || header->length > header->capacity ||
      !fields.sudogcache.present())
    return "the list of processors (runtime.allp) can't be read";
  std::vector<Address> processors(static_cast<std::size_t>(header->capacity));
  if (!program.target().memory().read(header->data, std::as_writable_bytes(std::span(processors))))
    return "the list of processors (runtime.allp) can't be read";
  for (const Address p : processors)
    if (const auto object = graph_.find(p)) marker_.set_aside(*object);
  processors.resize(static_cast<std::size_t>(header->length));
  marker_.from({Origin::Kind::timer, 0});
  for (const Address p : processors) {
    const auto words = captured_.snapshot->bytes(p, fields.size);
    if (!words) return fmt::format("a processor can't be read ({:#x})", p);
    std::vector<MemoryRange> left_out{range_of(p, fields.sudogcache, kSudogBufferBytes)};
    for (const auto* field : {&fields.wbBuf, &fields.gcw})
      if (field->present()) left_out.push_back(range_of(p, *field));
    mark_except(p, *words, process::merged(std::move(left_out)));
  }
  return {};
}

// A func value points to a word that holds the address of code.
bool Roots::plausible_function(Address value) const {
  const auto& program = *captured_.program;
  const auto code = program.target().memory().value<Address>(value);
  return code && *code >= program.load_bias() &&
         program.functions().containing(*code - program.load_bias()).has_value();
}

// False: what a special should hold is not there, so that these are none, or their kinds are numbered differently.
bool Roots::take_special(const Special& special) {
  const auto object = graph_.find(special.object);
  switch (special.kind) {
    case Special::Kind::other:
      return true;
    case Special::Kind::finalizer:
      if (!plausible_function(special.held[0])) return false;
      if (object) marker_.mark_contents(*object);
      break;
    case Special::Kind::cleanup:
      if (!plausible_function(special.held[0])) return false;
      break;
    case Special::Kind::weak_handle: {
      const auto handle = graph_.find(special.held[0]);
      const auto target = captured_.program->target().memory().value<Address>(special.held[0]);
      if (!handle || !target) return false;
      if (*target == 0) return true;  // the object is found dead, and nobody gets it back
      const auto found = graph_.find(*target);
      if (!found || !object || *found != *object) return false;
      weak_handles_.push_back({*handle, *object});
      return true;
    }
  }
  for (const Address held : special.held) marker_.mark(held);
  return true;
}

std::string Roots::mark_specials() {
  bool fits = true;
  marker_.from({Origin::Kind::finalizer, 0});
  for (const goruntime::SpanView& span : captured_.spans) {
    if (!span.in_use() || span.specials == 0) continue;
    const bool whole = goruntime::for_each_special(
        *captured_.program, span, [&](const Special& special) { fits = fits && take_special(special); });
    if (!whole) return "what the runtime notes of finalizers and weak pointers can't be read";
  }
  return fits ? "" : "what the runtime notes of finalizers and weak pointers is not as this Go version has it";
}

std::string Roots::mark_queues() {
  marker_.from({Origin::Kind::finalizer, 0});
  const bool read =
      goruntime::for_each_queued_word(*captured_.program, [this](std::uint64_t word) { marker_.mark(word); });
  return read ? "" : "the queue of finalizers can't be read";
}

// Structs of the runtime that hold addresses of objects without keeping them.
std::vector<MemoryRange> Roots::runtime_structures() const {
  const auto& program = *captured_.program;
  std::vector<MemoryRange> ranges;
  const auto spans = goruntime::read_span_addresses(program);
  for (std::size_t i = 0; spans && i < spans->size(); ++i)
    ranges.push_back({(*spans)[i], (*spans)[i] + program.layout().mspan.size});
  const auto& module = program.layout().moduledata;
  const auto data = program.global("firstmoduledata");
  const auto& memory = captured_.program->target().memory();
  const auto bound = [&](const goruntime::Field& field) {
    return data && field.present() ? const_cast<process::RemoteMemory&>(memory).value<Address>(*data + field.offset)
                                   : std::optional<Address>();
  };
  const goruntime::Field* bounds[][2] = {{&module.noptrdata, &module.enoptrdata},
                                         {&module.data, &module.edata},
                                         {&module.bss, &module.ebss},
                                         {&module.noptrbss, &module.enoptrbss}};
  for (const auto& [begin, end] : bounds)
    if (const auto from = bound(*begin), to = bound(*end); from && to) ranges.push_back({*from, *to});
  return process::merged(std::move(ranges));
}

std::string Roots::mark_foreign() {
  if (!captured_.program->build_info().cgo) return {};
  if (!captured_.foreign_complete || !captured_.unreadable.empty())
    return "it has cgo, and C's memory could not all be read: C may hold what the goroutines wait for";
  const auto left_out = runtime_structures();
  marker_.from({Origin::Kind::foreign, 0});
  for (const MemoryRange& range : captured_.foreign) {
    const auto words = captured_.snapshot->bytes(range.begin, range.size());
    if (!words) return "it has cgo, and C's memory could not all be read: C may hold what the goroutines wait for";
    mark_except(range.begin, *words, left_out);
  }
  return {};
}

}  // namespace gotrace::proof
