#include "goruntime/retention_pass.h"

#include <algorithm>
#include <random>

#include "goruntime/goroutine_reader_batch.h"
#include "goruntime/goroutine_reader_list.h"
#include "goruntime/plain_types.h"

namespace gotrace::goruntime {
namespace {

constexpr std::uint16_t kMostReferences = 256;       // to one object; with more it counts as used
constexpr std::size_t kMostListed = 1U << 20;        // references of all objects
constexpr std::uint64_t kRegion = 4U << 20;          // of heap, at most: what is read in an order of its own
constexpr std::uint64_t kMostOfArrays = 256U << 20;  // bytes of arrays of pointers that are read in one search
constexpr std::uint64_t kLeastUnused = 32;           // pointers of an array that no slice reaches
constexpr std::uint64_t kLeastKept = 256U << 10;     // bytes that they point to
constexpr std::uint64_t kMostStack = 1ULL << 30;     // runtime/proc.go, maxstacksize on 64 bits

}  // namespace

std::unique_ptr<RetentionPass> RetentionPass::begin(const Program& program, PointerMaps& maps,
                                                    const std::vector<std::uint64_t>& plain_types,
                                                    std::vector<WatchedObject> watched) {
  auto spans = HeapSpans::read(program);
  if (!spans) return nullptr;
  return std::unique_ptr<RetentionPass>(
      new RetentionPass(program, maps, plain_types, std::move(*spans), std::move(watched)));
}

RetentionPass::RetentionPass(const Program& program, PointerMaps& maps, const std::vector<std::uint64_t>& plain_types,
                             HeapSpans spans, std::vector<WatchedObject> watched)
    : program_(program),
      maps_(maps),
      plain_types_(plain_types),
      memory_(program.target().memory()),
      spans_(std::move(spans)),
      watched_(std::move(watched)),
      stack_words_(program) {
  figures_.heap_bytes = spans_.bytes();
  add_targets();
  add_watched();
  add_regions();
  search_ = std::make_unique<ReferenceSearch>(memory_, targets_, regions_);
}

void RetentionPass::add_targets() {
  std::vector<const SpanView*> large;
  for (const SpanView& span : spans_.all())
    if (span.element_size >= kLeastObject && !span.user_arena) large.push_back(&span);
  std::ranges::stable_sort(large, std::greater{}, &SpanView::element_size);
  for (const SpanView* span : large) {
    const auto first = targets_.add_span(*span);
    if (!first) break;
    bases_.push_back(span->base);
    first_target_.push_back(*first);
    figures_.candidates += span->elements;
    figures_.candidate_bytes += span->elements * span->element_size;
  }
  uses_.resize(targets_.size());
}

void RetentionPass::add_watched() {
  for (std::size_t i = 0; i < watched_.size(); ++i) {
    watched_[i].shared = true;  // until it is looked for
    const SpanView* span = spans_.find(watched_[i].base);
    const auto slot = span != nullptr ? slot_of(*span, watched_[i].base) : std::nullopt;
    const auto target = slot ? targets_.add_object(*span, *slot) : std::nullopt;
    if (target) watched_[i].shared = !watched_targets_.emplace(*target, i).second;
  }
}

// The heap last: an object that moves from a stack or a package variable into it meanwhile is seen all the same. In no
// order: of a heap that is too large to be read, what was read then says something of the rest.
void RetentionPass::add_regions() {
  using Kind = SearchRegion::Kind;
  add_stacks();
  for (const DataRange& range : program_.data_ranges()) {
    const process::Address begin = (range.begin + program_.load_bias() + 7) & ~7ULL;
    const process::Address end = range.end + program_.load_bias();
    if (end > begin) regions_.push_back({.kind = Kind::data, .begin = begin, .size = end - begin});
  }
  const auto heap = static_cast<std::ptrdiff_t>(regions_.size());
  for (const SpanView& span : spans_.all()) {
    if (span.noscan()) continue;
    const bool joins = !regions_.empty() && regions_.back().kind == Kind::heap &&
                       regions_.back().begin + regions_.back().size == span.base && regions_.back().size < kRegion;
    if (joins) {
      regions_.back().size += span.limit - span.base;
    } else {
      regions_.push_back({.kind = Kind::heap, .begin = span.base, .size = span.limit - span.base});
    }
  }
  std::shuffle(regions_.begin() + heap, regions_.end(), std::mt19937_64(spans_.bytes()));
}

// Of a running goroutine the whole stack, since where it is can't be read.
void RetentionPass::add_stacks() {
  auto all = read_allgs(program_);
  const GLayout layout(program_.layout());
  if (!all || !layout.why_unusable().empty()) return;
  goroutines_ = std::move(*all);
  regions_.reserve(goroutines_.size());
  run_read_plan(memory_, make_read_plan(goroutines_, layout.size()), [&](std::uint32_t index, Bytes bytes) {
    const GView view = layout.decode(bytes);
    const bool sane = view.exists() && view.stack_lo < view.stack_hi && view.stack_hi - view.stack_lo <= kMostStack;
    if (!sane) return;
    const bool still = view.has_still_stack() && view.sp >= view.stack_lo && view.sp <= view.stack_hi;
    const process::Address begin = (still ? view.sp : view.stack_lo) & ~7ULL;
    regions_.push_back(
        {.kind = SearchRegion::Kind::stack, .begin = begin, .size = view.stack_hi - begin, .owner = index});
  });
}

bool RetentionPass::is_allocated(const SpanView& span, std::uint64_t slot) {
  if (slot < span.free_index) return true;  // or garbage that is not swept yet
  if (bits_span_ != span.base) {
    auto bits = memory_.block(span.alloc_bits, (span.elements + 7) / 8);
    if (!bits) return true;
    bits_ = std::move(*bits);
    bits_span_ = span.base;
  }
  return ((load_or_zero<std::uint8_t>(bits_, slot / 8) >> (slot % 8)) & 1) != 0;
}

// A pointer to a large array or struct, or to the groups of a map (internal/runtime/maps, groupsReference: data and
// lengthMask, 2^n - 1), with a number behind it, has a string's look.
bool RetentionPass::is_string(const SpanView& target, const Window& window) const {
  const bool mask = window.offset == 0 && window.length >= 7 && (window.length & (window.length + 1)) == 0;
  return !mask && !may_be_one_of(plain_types_, target.element_size);
}

// False: no header, so that what refers to the object uses all of it. `ignore`: no reference at all.
bool RetentionPass::describe(const Reference& reference, const SpanView& target, HeaderReference& out, bool& ignore) {
  std::optional<std::vector<bool>> pointers;
  std::uint64_t known = reference.known;
  if (reference.region->kind == SearchRegion::Kind::data) {
    pointers = maps_.data_words(reference.place, 3);
    out.in_data = true;
  } else {
    const SpanView* span = spans_.find(reference.place);
    const auto slot = span != nullptr ? slot_of(*span, reference.place) : std::nullopt;
    ignore = !slot || !is_allocated(*span, *slot);
    if (ignore) return false;
    out.container = span->base + *slot * span->element_size;
    out.container_size = span->element_size;
    const std::uint64_t offset = reference.place - out.container;
    known = std::min(known, (span->element_size - offset) / 8);
    pointers = maps_.words(*span, out.container, offset / 8, 3);
    if (const auto type = maps_.element_type(*span, out.container)) out.container_type = type->address;
  }
  if (!pointers) return false;
  ignore = !(*pointers)[0];
  if (ignore) return false;
  const auto number = [&](std::size_t i) {
    return i < known && !(*pointers)[i] ? std::optional(reference.words[i]) : std::nullopt;
  };
  const std::uint64_t slot = (reference.words[0] - target.base) / target.element_size;
  const std::uint64_t offset = reference.words[0] - target.base - slot * target.element_size;
  const auto window = read_window(target.element_size, offset, number(1), number(2), target.noscan());
  if (!window || (!window->slice && !is_string(target, *window))) return false;
  out.place = reference.place;
  out.pointer = reference.words[0];
  out.window = *window;
  return true;
}

void RetentionPass::visit_watched(const Reference& reference, WatchedObject& watched) {
  if (watched.shared) return;
  const SpanView* own = spans_.find(watched.base);
  const bool in_itself = own != nullptr && reference.place - watched.base < own->element_size;
  if (in_itself || reference.place - watched.array < watched.array_size) return;
  std::optional<std::vector<bool>> pointers;
  Referrer referrer;
  if (reference.region->kind == SearchRegion::Kind::data) pointers = maps_.data_words(reference.place, 1);
  if (reference.region->kind == SearchRegion::Kind::heap) {
    const SpanView* span = spans_.find(reference.place);
    const auto slot = span != nullptr ? slot_of(*span, reference.place) : std::nullopt;
    if (!slot || !is_allocated(*span, *slot)) return;
    referrer = {span->base + *slot * span->element_size, span->element_size};
    pointers = maps_.words(*span, referrer.object, (reference.place - referrer.object) / 8, 1);
  }
  if (watched.list && is_of_list(reference, referrer, watched)) return;
  watched.shared = !pointers || (*pointers)[0];
}

// Nodes refer to nodes: but a first one that another precedes is none, and its list is that one's.
bool RetentionPass::is_of_list(const Reference& reference, const Referrer& referrer, WatchedObject& watched) {
  using Part = ListMember::Part;
  const ListMember& list = *watched.list;
  if (reference.region->kind == SearchRegion::Kind::stack && reference.region->owner == list.owner) {
    ++watched.from_stack;
    return true;
  }
  if (reference.region->kind != SearchRegion::Kind::heap) return false;
  if (reference.place - list.anchor < list.anchor_size) return true;
  const bool precedes = reference.place - referrer.object == list.next_at;
  return referrer.size == list.node_size && !(list.part == Part::first && precedes);
}

// What an earlier call has left on the stack of a goroutine that is parked may stay there for good, but it keeps
// nothing.
bool RetentionPass::is_left_on_stack(const Reference& reference) {
  const SearchRegion& region = *reference.region;
  return region.kind == SearchRegion::Kind::stack &&
         !stack_words_.may_be_used(goroutines_[region.owner], region.begin, reference.place);
}

void RetentionPass::visit(const Reference& reference) {
  const auto watched = watched_targets_.find(reference.target);
  const bool open = reference.target < uses_.size() && !uses_[reference.target].whole;
  if ((watched == watched_targets_.end() && !open) || is_left_on_stack(reference)) return;
  if (watched != watched_targets_.end()) visit_watched(reference, watched_[watched->second]);
  if (!open) return;
  TargetUse& use = uses_[reference.target];
  const SpanView* target = spans_.find(reference.words[0]);
  // What a stack may use can be a pointer, or the rest of one: it uses all.
  if (target == nullptr || reference.region->kind == SearchRegion::Kind::stack) {
    use.whole = true;
    return;
  }
  HeaderReference header;
  bool ignore = false;
  const bool is_header = describe(reference, *target, header, ignore);
  if (ignore) return;
  use.whole = !is_header || use.count >= kMostReferences || references_.size() >= kMostListed;
  if (!use.whole) note(reference.target, header);
}

void RetentionPass::note(std::uint32_t target, const HeaderReference& reference) {
  TargetUse& use = uses_[target];
  references_.push_back({reference, use.first});
  use.first = static_cast<std::uint32_t>(references_.size() - 1);
  ++use.count;
}

bool RetentionPass::step(std::uint64_t bytes) {
  const bool more = search_->step(bytes, [this](const Reference& reference) { visit(reference); });
  bits_span_ = 0;  // what is known of allocation and of pointers is as old as a step
  maps_.forget_bits();
  return more;
}

// Of an array of pointers the pointers that no slice reaches decide.
bool RetentionPass::is_partly_used(const SpanView& span, PartlyUsed& one) {
  std::vector<Window> windows;
  for (const HeaderReference& reference : one.references) windows.push_back(reference.window);
  if (one.noscan) {
    one.used = used_part(one.size, windows);
    return one.used.use != ObjectUse::whole;
  }
  const bool known_type = !program_.layout().heapArena.bitmap.present();
  const auto type = maps_.element_type(span, one.base);
  const auto parts = known_type && !type ? std::nullopt : array_parts(one.size, windows, type);
  if (!parts || arrays_read_ > kMostOfArrays) return false;
  arrays_read_ += one.size;
  one.stale = read_stale_elements(memory_, maps_, spans_, span, one.base, *parts);
  return one.stale && one.stale->unused >= kLeastUnused && one.stale->kept_bytes >= kLeastKept;
}

std::vector<PartlyUsed> RetentionPass::partly_used(std::size_t most) {
  std::vector<PartlyUsed> found;
  arrays_read_ = 0;
  for (std::size_t i = 0; i < bases_.size(); ++i) {
    const SpanView* span = spans_.find(bases_[i]);
    if (span == nullptr) continue;
    for (std::uint64_t slot = 0; slot < span->elements && found.size() < most; ++slot) {
      const TargetUse& use = uses_[first_target_[i] + static_cast<std::uint32_t>(slot)];
      if (use.whole || use.count == 0) continue;
      PartlyUsed one{
          .base = span->base + slot * span->element_size, .size = span->element_size, .noscan = span->noscan()};
      for (std::uint32_t at = use.first; at != kNoReference; at = references_[at].next)
        one.references.push_back(references_[at].reference);
      if (is_partly_used(*span, one)) found.push_back(std::move(one));
    }
  }
  return found;
}

bool RetentionPass::saw_no_reference(process::Address base) const {
  const std::uint32_t target = targets_.at(base);
  return target < uses_.size() && !uses_[target].whole && uses_[target].count == 0;
}

PassFigures RetentionPass::figures() const {
  PassFigures figures = figures_;
  figures.to_read_bytes = search_->total_bytes();
  figures.read_bytes = search_->read_bytes() - search_->unreadable_bytes();
  figures.complete = search_->done();
  return figures;
}

}  // namespace gotrace::goruntime
