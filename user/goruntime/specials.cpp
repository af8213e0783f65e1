#include "goruntime/specials.h"

#include <algorithm>

#include "goruntime/heap_arenas.h"

namespace gotrace::goruntime {
namespace {

constexpr std::uint64_t kMostSpecials = 1U << 24;  // of one span: two for each of its objects would be many
constexpr int kMostBlocks = 1 << 20;
constexpr int kFirstKnown = 19;  // the oldest that the corpus of proofs was tried on
constexpr int kLastKnown = 27;

// runtime/mheap.go of each release: 1 finalizer, 2 profile up to 1.22; 1 finalizer, 2 weak handle, 3 profile in 1.23,
// and 6 cleanup in 1.24; 1 tiny block, 2 finalizer, 3 weak handle, 4 profile, 7 cleanup from 1.25 on.
Special::Kind kind_of(int minor, std::uint8_t number) {
  using Kind = Special::Kind;
  if (number == (minor >= 25 ? 2 : 1)) return Kind::finalizer;
  if (minor >= 23 && number == (minor >= 25 ? 3 : 2)) return Kind::weak_handle;
  if (minor >= 24 && number == (minor >= 25 ? 7 : 6)) return Kind::cleanup;
  return Kind::other;
}

// Where the pointers of a special lie in its struct.
Field held_by(const Layout& layout, Special::Kind kind) {
  switch (kind) {
    case Special::Kind::finalizer:
      return layout.specialfinalizer.fn;
    case Special::Kind::weak_handle:
      return layout.specialWeakHandle.handle;
    case Special::Kind::cleanup:
      return layout.specialCleanup.cleanup.present() ? layout.specialCleanup.cleanup : layout.specialCleanup.fn;
    case Special::Kind::other:
      break;
  }
  return {};
}

bool visit_words(process::RemoteMemory& memory, process::Address begin, std::uint64_t size,
                 const std::function<void(std::uint64_t)>& visit) {
  const auto bytes = memory.block(begin, size);
  if (!bytes) return false;
  for (std::uint64_t at = 0; at + 8 <= size; at += 8) visit(load_or_zero<std::uint64_t>(*bytes, at));
  return true;
}

// A list of blocks that each hold an array of `words`.
bool visit_blocks(process::RemoteMemory& memory, process::Address list, const Field& link, const Field& words,
                  const std::function<void(std::uint64_t)>& visit) {
  if (!link.present() || !words.present()) return false;
  auto at = memory.value<process::Address>(list);
  for (int i = 0; at && *at != 0; ++i) {
    if (i >= kMostBlocks || !visit_words(memory, *at + words.offset, words.size, visit)) return false;
    at = memory.value<process::Address>(*at + link.offset);
  }
  return at.has_value();
}

}  // namespace

bool special_kinds_known(int minor) { return minor >= kFirstKnown && minor <= kLastKnown; }

bool for_each_special(const Program& program, const SpanView& span, const std::function<void(const Special&)>& visit) {
  const Layout& layout = program.layout();
  const auto& fields = layout.special;
  if (fields.size == 0 || span.element_size == 0) return false;
  auto& memory = program.target().memory();
  process::Address at = span.specials;
  for (std::uint64_t i = 0; at != 0; ++i) {
    const auto head = i < kMostSpecials ? memory.block(at, fields.size) : std::nullopt;
    if (!head) return false;
    const auto offset = fields.offset.size == 2 ? load_or_zero<std::uint16_t>(*head, fields.offset.offset)
                                                : load_or_zero<std::uint64_t>(*head, fields.offset.offset);
    if (offset >= span.pages * kHeapPage) return false;
    Special special;
    special.kind = kind_of(layout.minor, load_or_zero<std::uint8_t>(*head, fields.kind.offset));
    special.object = span.base + offset / span.element_size * span.element_size;
    if (special.kind != Special::Kind::other) {
      const Field held = held_by(layout, special.kind);
      const std::uint64_t size = std::min<std::uint64_t>(held.size, 8 * special.held.size());
      if (!held.present() ||
          !memory.read(at + held.offset, std::as_writable_bytes(std::span(special.held)).first(size))) {
        return false;
      }
    }
    visit(special);
    at = load_or_zero<process::Address>(*head, fields.next.offset);
  }
  return true;
}

bool for_each_queued_word(const Program& program, const std::function<void(std::uint64_t word)>& visit) {
  const Layout& layout = program.layout();
  auto& memory = program.target().memory();
  // Where the program can't queue any, the linker has dropped the code that names the queue.
  const auto finalizers = program.global("allfin");
  if (!finalizers && program.functions().find("runtime.queuefinalizer")) return false;
  if (finalizers && !visit_blocks(memory, *finalizers, layout.finblock.alllink, layout.finblock.fin, visit))
    return false;
  if (!layout.cleanupQueue.all.present()) return true;  // before Go 1.25 cleanups are queued with the finalizers
  const auto cleanups = program.global("gcCleanups");
  if (!cleanups) return !program.functions().find("runtime.runCleanups").has_value();
  return visit_blocks(memory, *cleanups + layout.cleanupQueue.all.offset,
                      layout.cleanupBlock.cleanupBlockHeader_alllink, layout.cleanupBlock.cleanups, visit);
}

}  // namespace gotrace::goruntime
