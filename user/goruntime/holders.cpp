// Who else holds what stuck goroutines wait on. Two searches: for what holds the awaited objects, then for what holds
// those holders.
#include <algorithm>
#include <map>
#include <set>
#include <unordered_set>

#include "goruntime/goroutine_reader_batch.h"
#include "goruntime/goroutine_reader_list.h"
#include "goruntime/holders_scan.h"
#include "goruntime/readers.h"

namespace gotrace::goruntime {
namespace {

constexpr std::size_t kMostWaiters = 1024;
constexpr std::size_t kMostHolders = 256;  // heap objects that are followed, of one waiter

struct Finding {  // of one waiter
  WaitObjectHolders answer{};
  SearchedObject object{};
  std::set<std::uint32_t> stacks;            // owners of stacks
  std::map<process::Address, bool> holders;  // heap object -> is held itself
};

class HolderSearch {
 public:
  HolderSearch(const Program& program, std::span<const Waiter> waiters, std::span<const std::uint64_t> cohort,
               std::uint64_t budget_bytes, std::uint64_t now_ns)
      : program_(program), memory_(program.target().memory()), objects_(program) {
    for (const DataRange& range : program.data_ranges()) {
      data_.push_back({range.begin + program.load_bias(), range.end + program.load_bias()});
    }
    for (const Waiter& waiter : waiters.first(std::min(waiters.size(), kMostWaiters))) {
      if (waiter.address != 0) add_finding(waiter, now_ns);
    }
    excluded_.insert(cohort.begin(), cohort.end());
    for (const Waiter& waiter : waiters) excluded_.insert(waiter.goid);
    add_data();
    add_stacks();
    add_heap(budget_bytes);
  }

  void run(RecordSink& sink) {
    if (findings_.empty()) return;
    find_holders_of_objects();
    find_holders_of_holders();
    for (Finding& finding : findings_) {
      finding.answer.complete = complete_;
      finding.answer.other_stacks = static_cast<std::uint32_t>(finding.stacks.size());
      finding.answer.heap_objects = static_cast<std::uint32_t>(finding.holders.size());
      finding.answer.held_heap_objects = static_cast<std::uint32_t>(
          std::ranges::count_if(finding.holders, [](const auto& holder) { return holder.second; }));
      sink.accept(finding.answer);
    }
  }

 private:
  // A semaphore is a word inside of an object; whoever holds the object holds it.
  void add_finding(const Waiter& waiter, std::uint64_t now_ns) {
    Finding finding;
    finding.answer.time_ns = now_ns;
    finding.answer.goid = waiter.goid;
    finding.answer.address = waiter.address;
    finding.answer.in_globals = std::ranges::any_of(
        data_, [&](const DataRange& r) { return waiter.address >= r.begin && waiter.address < r.end; });
    const auto object = objects_.find(waiter.address);
    finding.object = object ? SearchedObject{object->base, object->size} : SearchedObject{waiter.address, 8};
    findings_.push_back(std::move(finding));
  }

  void add_data() {
    for (const DataRange& range : data_) {
      if (range.end > range.begin) {
        regions_.push_back({.kind = MemoryRegion::Kind::data, .begin = range.begin, .size = range.end - range.begin});
      }
    }
  }

  // Parked ones from their stack pointer; of a running one the whole stack, since where it is can't be read.
  void add_stacks() {
    const auto all = read_allgs(program_);
    const GLayout layout(program_.layout());
    if (!all || !layout.why_unusable().empty()) {
      complete_ = false;
      return;
    }
    goroutines_.insert(all->begin(), all->end());
    run_read_plan(memory_, make_read_plan(*all, layout.size()), [&](std::uint32_t index, Bytes bytes) {
      const GView view = layout.decode(bytes);
      if (!view.exists() || excluded_.contains(view.goid) || view.stack_lo >= view.stack_hi) return;
      const process::Address begin = view.has_still_stack() ? view.sp : view.stack_lo;
      regions_.push_back(
          {.kind = MemoryRegion::Kind::stack, .begin = begin, .size = view.stack_hi - begin, .owner = index});
    });
  }

  void add_heap(std::uint64_t budget_bytes) {
    auto spans = scannable_spans(program_);
    if (!spans) {
      complete_ = false;
      return;
    }
    spans_ = std::move(*spans);
    for (std::uint32_t i = 0; i < spans_.size(); ++i) {
      const std::uint64_t size = spans_[i].limit - spans_[i].base;
      if (size > budget_bytes) {
        complete_ = false;
        break;
      }
      budget_bytes -= size;
      regions_.push_back({.kind = MemoryRegion::Kind::heap, .begin = spans_[i].base, .size = size, .owner = i});
    }
  }

  // Start of the heap object that `place` is in; nullopt: its slot is free.
  [[nodiscard]] std::optional<process::Address> object_at(const SpanView& span, process::Address place) {
    const std::uint64_t slot = (place - span.base) / span.element_size;
    if (slot >= span.elements) return std::nullopt;
    // Slots below the free index may be garbage; that only ever clears a suspicion.
    if (slot >= span.free_index) {
      const auto byte = memory_.value<std::uint8_t>(span.alloc_bits + slot / 8);
      if (byte && ((*byte >> (slot % 8)) & 1) == 0) return std::nullopt;
    }
    return span.base + slot * span.element_size;
  }

  // The sudogs of those that wait point to what they wait on.
  [[nodiscard]] bool is_sudog(process::Address object, process::Address place) {
    const auto& sudog = program_.layout().sudog;
    const std::uint64_t offset = place - object;
    const auto within = [offset](const Field& f) { return f.present() && offset >= f.offset && offset < f.end(); };
    if (!within(sudog.c) && !within(sudog.elem)) return false;
    const auto g = memory_.value<process::Address>(object + sudog.g.offset);
    return g && goroutines_.contains(*g);
  }

  void find_holders_of_objects() {
    std::vector<SearchedObject> objects;
    for (const Finding& finding : findings_) objects.push_back(finding.object);
    const bool read = search_references(memory_, regions_, objects,
                                        [&](const MemoryRegion& region, std::uint32_t index, process::Address place) {
                                          Finding& finding = findings_[index];
                                          if (region.kind == MemoryRegion::Kind::data) finding.answer.in_globals = true;
                                          if (region.kind == MemoryRegion::Kind::stack)
                                            finding.stacks.insert(region.owner);
                                          if (region.kind != MemoryRegion::Kind::heap) return;
                                          if (finding.holders.size() >= kMostHolders) return;
                                          const auto object = object_at(spans_[region.owner], place);
                                          if (!object || *object == finding.object.begin || is_sudog(*object, place))
                                            return;
                                          finding.holders.emplace(*object, false);
                                        });
    complete_ = complete_ && read;
  }

  [[nodiscard]] std::uint64_t size_at(process::Address object) const {
    auto span = std::ranges::upper_bound(spans_, object, {}, &SpanView::base);
    return span == spans_.begin() ? 8 : std::prev(span)->element_size;
  }

  void find_holders_of_holders() {
    std::vector<SearchedObject> objects;
    std::vector<std::pair<Finding*, process::Address>> owners;
    for (Finding& finding : findings_) {
      for (const auto& [object, held] : finding.holders) {
        objects.push_back({object, size_at(object)});
        owners.emplace_back(&finding, object);
      }
    }
    if (objects.empty()) return;
    const bool read = search_references(memory_, regions_, objects,
                                        [&](const MemoryRegion& region, std::uint32_t index, process::Address place) {
                                          auto& [finding, holder] = owners[index];
                                          bool& held = finding->holders[holder];
                                          if (held) return;
                                          if (region.kind == MemoryRegion::Kind::heap) {
                                            const auto object = object_at(spans_[region.owner], place);
                                            if (!object || *object == holder || *object == finding->object.begin)
                                              return;
                                            if (is_sudog(*object, place)) return;
                                          }
                                          held = true;
                                        });
    complete_ = complete_ && read;
  }

  const Program& program_;
  process::RemoteMemory& memory_;
  HeapObjects objects_;
  std::vector<DataRange> data_;  // run-time
  std::unordered_set<std::uint64_t> excluded_;
  std::unordered_set<process::Address> goroutines_;
  std::vector<SpanView> spans_;
  std::vector<MemoryRegion> regions_;
  std::vector<Finding> findings_;
  bool complete_ = true;
};

}  // namespace

void find_holders(const Program& program, RecordSink& sink, std::span<const Waiter> waiters,
                  std::span<const std::uint64_t> cohort_goids, std::uint64_t budget_bytes, std::uint64_t now_ns) {
  HolderSearch(program, waiters, cohort_goids, budget_bytes, now_ns).run(sink);
}

}  // namespace gotrace::goruntime
