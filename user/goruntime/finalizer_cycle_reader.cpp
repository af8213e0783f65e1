// Objects with finalizers that lead back to themselves: a GC marks all that such an object leads to, so also itself,
// and its finalizer never runs (runtime/mgcmark.go, markroot of specials; runtime/mfinal.go, SetFinalizer's comment on
// cycles). All finalizers are counted by their function; a few objects of each are looked into.
#include <algorithm>
#include <deque>
#include <map>
#include <unordered_set>

#include "goruntime/goroutine_reader_list.h"
#include "goruntime/heap_spans.h"
#include "goruntime/pointer_maps.h"
#include "goruntime/resource_readers.h"

namespace gotrace::goruntime {
namespace {

constexpr std::size_t kMostSpecials = 50'000;    // read in one look
constexpr std::size_t kMostSample = 16;          // objects of one finalizer function that are looked into
constexpr std::uint64_t kLeastObjects = 50;      // of one function
constexpr std::size_t kMostFollowed = 32;        // objects, from one on
constexpr std::uint64_t kLargestFollowed = 512;  // bytes: a way back by a large table is its holder's, no cycle
constexpr std::size_t kMostFunctions = 64;

// runtime/mheap.go, _KindSpecialFinalizer: 1, behind tiny blocks from Go 1.25 on.
std::uint8_t finalizer_kind(int minor) { return minor >= 25 ? 2 : 1; }

class FinalizerCycleReader final : public Reader {
 public:
  FinalizerCycleReader(const Program& program, Symbolizer& symbolizer, RecordSink& sink)
      : program_(program), symbolizer_(symbolizer), sink_(sink), memory_(program.target().memory()), maps_(program) {}

  Look look(std::uint64_t now_ns) override {
    const auto& special = program_.layout().special;
    if (special.size == 0 || !program_.layout().specialfinalizer.fn.present() || !rest_.over(now_ns))
      return Look::unavailable;
    const std::uint64_t begin = thread_cpu_ns();
    const auto spans = HeapSpans::read(program_);
    if (!spans) return Look::unavailable;
    ResourceLook look;
    look.time_ns = now_ns;
    look.kind = ResourceKind::finalizer_cycles;
    const auto functions = read_finalizers(*spans, look.complete);
    for (const auto& [function, objects] : functions) {
      look.total += objects.count;
      if (objects.count < kLeastObjects || look.counts.size() >= kMostFunctions || !cyclic(*spans, objects)) continue;
      look.counts.push_back({"", symbolizer_.location(function, false), 0, objects.count});
    }
    sink_.accept(look);
    rest_.begin(now_ns, thread_cpu_ns() - begin);
    return Look::ok;
  }

 private:
  struct Objects {  // of one finalizer function
    std::uint64_t count = 0;
    std::vector<process::Address> sample{};
  };

  [[nodiscard]] std::map<process::Address, Objects> read_finalizers(const HeapSpans& spans, bool& complete) {
    maps_.forget_bits();
    std::map<process::Address, Objects> functions;
    std::size_t left = kMostSpecials;
    for (const SpanView& span : spans.all()) {
      process::Address at = span.specials;
      for (; at != 0 && left > 0; --left) at = read_special(span, at, functions);
      complete = complete && at == 0;
    }
    return functions;
  }

  // Returns the next one; 0: there is none.
  process::Address read_special(const SpanView& span, process::Address at,
                                std::map<process::Address, Objects>& functions) {
    const auto& special = program_.layout().special;
    const auto& finalizer = program_.layout().specialfinalizer;
    const auto bytes = memory_.block(at, std::max(special.size, finalizer.size));
    if (!bytes) return 0;
    const auto kind = load_or_zero<std::uint8_t>(*bytes, special.kind.offset);
    const std::uint64_t offset = special.offset.size == 2 ? load_or_zero<std::uint16_t>(*bytes, special.offset.offset)
                                                          : load_or_zero<std::uint64_t>(*bytes, special.offset.offset);
    const auto next = load_or_zero<process::Address>(*bytes, special.next.offset);
    if (kind != finalizer_kind(program_.layout().minor) || offset >= span.limit - span.base) return next;
    const auto value = load_or_zero<process::Address>(*bytes, finalizer.fn.offset);
    auto code = codes_.find(value);
    if (code == codes_.end()) {
      if (codes_.size() >= kMostSpecials) codes_.clear();
      code = codes_.emplace(value, memory_.value<process::Address>(value).value_or(0)).first;
    }
    if (code->second == 0) return next;
    Objects& objects = functions[code->second];
    const auto slot = slot_of(span, span.base + offset);
    if (slot && objects.count++ % (1 + objects.sample.size() * objects.sample.size()) == 0 &&
        objects.sample.size() < kMostSample)
      objects.sample.push_back(span.base + *slot * span.element_size);
    return next;
  }

  [[nodiscard]] bool cyclic(const HeapSpans& spans, const Objects& objects) {
    const auto in_cycles =
        std::ranges::count_if(objects.sample, [&](process::Address object) { return leads_to_itself(spans, object); });
    return static_cast<std::size_t>(in_cycles) * 4 >= objects.sample.size() * 3;
  }

  [[nodiscard]] bool leads_to_itself(const HeapSpans& spans, process::Address object) {
    std::unordered_set<process::Address> seen;
    std::deque<process::Address> next{object};
    while (!next.empty()) {
      for (const process::Address pointer : pointers_of(spans, next.front())) {
        if (pointer == object) return true;
        if (seen.size() < kMostFollowed && seen.insert(pointer).second) next.push_back(pointer);
      }
      next.pop_front();
    }
    return false;
  }

  // Starts of the objects that it points to.
  [[nodiscard]] std::vector<process::Address> pointers_of(const HeapSpans& spans, process::Address object) {
    std::vector<process::Address> found;
    const SpanView* span = spans.find(object);
    if (span == nullptr || span->noscan() || span->element_size > kLargestFollowed) return found;
    const auto words = maps_.words(*span, object, 0, span->element_size / 8);
    const auto bytes = words ? memory_.block(object, span->element_size) : std::nullopt;
    for (std::size_t i = 0; bytes && i < words->size(); ++i) {
      const auto pointer = load_or_zero<process::Address>(*bytes, 8 * i);
      const SpanView* target = (*words)[i] && pointer != 0 ? spans.find(pointer) : nullptr;
      const auto slot = target != nullptr ? slot_of(*target, pointer) : std::nullopt;
      if (slot) found.push_back(target->base + *slot * target->element_size);
    }
    return found;
  }

  const Program& program_;
  Symbolizer& symbolizer_;
  RecordSink& sink_;
  process::RemoteMemory& memory_;
  PointerMaps maps_;
  std::map<process::Address, process::Address> codes_;  // of func values
  Rest rest_;
};

}  // namespace

std::unique_ptr<Reader> make_finalizer_cycle_reader(const Program& program, Symbolizer& symbolizer, RecordSink& sink) {
  return std::make_unique<FinalizerCycleReader>(program, symbolizer, sink);
}

}  // namespace gotrace::goruntime
