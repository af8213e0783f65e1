#include "probe/event_stream.h"

#include <algorithm>
#include <utility>

#include "probe/clock.h"

namespace gotrace::probe {
namespace {

// The kernel remembers 16384 hashes (bpf/probes.bpf.c, `seen`); with more here than this, start anew.
constexpr std::size_t kMostStacks = 65536;
constexpr std::uint64_t kPage = 8192;  // runtime.pageSize
constexpr std::uint64_t kQuietNs = 2'000'000'000;
constexpr std::uint64_t kMostSmall = 32768;  // runtime/sizeclasses.go, _MaxSmallSize

constexpr std::uint64_t kOften = 1'000'000'000;  // looks closer than this must be cheap
constexpr std::uint64_t kLongLook = 10'000'000;  // ns

std::uint64_t round_to_pages(std::uint64_t size) {
  return size > UINT64_MAX - kPage ? size : (size + kPage - 1) / kPage * kPage;
}

}  // namespace

EventStream::EventStream(const goruntime::Program& program, goruntime::Symbolizer& symbolizer,
                         goruntime::ObjectLookup& objects, RecordSink& sink, std::vector<std::uint32_t> size_classes)
    : symbolizer_(symbolizer),
      objects_(objects),
      sink_(sink),
      size_classes_(std::move(size_classes)),
      spans_(program.target().memory(), program.layout()) {}

void EventStream::take(Bytes record) {
  const auto event = decode_event(record);
  if (!event) {
    ++malformed_;
    return;
  }
  std::visit([this](const auto& value) { on(value); }, *event);
}

void EventStream::on(const gotrace_stack& stack) {
  if (stacks_.size() >= kMostStacks) stacks_.clear();
  const std::span<const process::Address> addresses(stack.pc, stack.count);
  stacks_[stack.hash] = symbolizer_.stack(addresses, false, stack.truncated != 0);
}

StackId EventStream::stack_of(const gotrace_event& event) {
  const auto found = stacks_.find(event.stack);
  if (found != stacks_.end()) return found->second;
  ++unknown_stacks_;
  if (event.stack != 0) missing_.push_back(event.stack);
  return StackId::none;
}

void EventStream::on(const gotrace_birth& birth) {
  if (!lifecycle_.holds(birth.event.time_ns)) return;
  const auto start = birth.start_pc == 0 ? LocationId::none : symbolizer_.location(birth.start_pc, false);
  sink_.accept(Birth{birth.event.time_ns, birth.event.goid, start, stack_of(birth.event)});
}

void EventStream::on(const EndEvent& end) {
  if (lifecycle_.holds(end.event.time_ns)) sink_.accept(End{end.event.time_ns, end.event.goid});
}

void EventStream::on(const gotrace_park& park) {
  sink_.accept(Park{park.event.time_ns, park.event.goid, static_cast<std::uint8_t>(park.wait_reason)});
}

void EventStream::on(const gotrace_refill& refill) {
  const CacheSlot slot{refill.mcache, static_cast<std::uint8_t>(refill.span_class)};
  pairing_.hit({refill.event.time_ns, refill.event.goid, stack_of(refill.event), slot, {}}, spans_.replaced(refill));
}

// What could not be read is among the failed reads.
void EventStream::on(const gotrace_large& large) {
  const auto object = spans_.large(large);
  if (!object) return;
  AllocationSample sample;
  sample.time_ns = large.event.time_ns;
  sample.id = next_id_++;
  sample.goid = large.event.goid;
  sample.stack = stack_of(large.event);
  sample.size = object->size;
  sample.tracked = objects_.available();
  if (sample.tracked) fates_.track(sample.id, *object);
  sink_.accept(sample);
}

std::uint32_t EventStream::class_of(std::uint64_t size) const {
  if (size > kMostSmall || size_classes_.size() < 2) return 0;
  const auto found = std::lower_bound(size_classes_.begin() + 1, size_classes_.end(), size);
  return found == size_classes_.end() ? 0 : static_cast<std::uint32_t>(found - size_classes_.begin());
}

void EventStream::on(const gotrace_allocation& allocation) {
  AllocationSample sample;
  sample.time_ns = allocation.event.time_ns;
  sample.id = next_id_++;
  sample.goid = allocation.event.goid;
  sample.stack = stack_of(allocation.event);
  if (allocation.event.kind == GOTRACE_MALLOC) sample.size_class = class_of(allocation.size);
  sample.size = sample.size_class == 0 ? round_to_pages(allocation.size) : size_classes_[sample.size_class];
  sink_.accept(sample);
}

void EventStream::send_sample(const PendingSample& sample, const std::optional<FirstObject>& object) {
  AllocationSample record;
  record.time_ns = sample.time_ns;
  record.id = next_id_++;
  record.goid = sample.goid;
  record.stack = sample.stack;
  record.size_class = sample.slot.span_class >> 1;
  auto& provided = provided_[sample.slot.span_class];
  if (object) {
    ++provided.spans;
    provided.objects += object->free_slots;
    record.size = object->size;
    record.objects = object->free_slots;
    record.tracked = objects_.available();
    if (record.tracked) fates_.track(record.id, *object);
  } else {
    record.size = record.size_class < size_classes_.size() ? size_classes_[record.size_class] : 0;
    const auto whole_span = record.size == 0 ? 1 : std::max<std::uint64_t>(1, kPage / record.size);
    record.objects = provided.spans == 0 ? whole_span : std::max<std::uint64_t>(1, provided.objects / provided.spans);
  }
  sink_.accept(record);
}

void EventStream::send_settled() {
  for (const auto& one : pairing_.take()) send_sample(one.sample, one.object);
}

// A class that is seldom refilled would wait long for the next hit. What lies in the mcache now is what the sample's
// refill put there, unless another refill or a GC came in between: the former shows in the next drain (confirm), the
// latter in the span's sweepgen.
void EventStream::look_at_slots(std::uint64_t now_ns, std::uint64_t age_ns) {
  const auto slots = pairing_.quiet(now_ns, age_ns);
  if (slots.empty()) return;
  const auto generation = objects_.heap_sweepgen();
  if (!generation) {
    for (const auto& slot : slots) pairing_.looked(slot, std::nullopt);
    return;
  }
  const auto objects = spans_.cached(slots, *generation);
  for (std::size_t i = 0; i < slots.size(); ++i) pairing_.looked(slots[i], objects[i]);
}

void EventStream::finish_drain(std::uint64_t now_ns, bool gap) {
  if (gap) {
    pairing_.broken();
  } else {
    pairing_.confirm();
  }
  look_at_slots(now_ns, kQuietNs);
  send_settled();
  follow_objects(now_ns);
}

void EventStream::interrupt() {
  pairing_.broken();
  send_settled();
}

// With a GC every few milliseconds even a look at each drain comes too late for some; but one that itself takes long
// must not become the reason.
void EventStream::follow_objects(std::uint64_t now_ns) {
  const auto generation = objects_.heap_sweepgen();
  if (!generation || fates_.tracked() == 0) return;
  const std::uint64_t begin_ns = clock_ns();
  fates_.look(*generation, [this](std::span<const FirstObject> objects, std::uint32_t current) {
    return spans_.survivals(objects, current);
  });
  const bool often = now_ns - followed_ns_ < kOften;
  followed_ns_ = now_ns;
  if (often && clock_ns() - begin_ns > kLongLook) fates_.thin_out();
}

void EventStream::check_fates(const HeapCounters& counters) {
  follow_objects(counters.time_ns);
  if (const auto fates = fates_.report(counters)) sink_.accept(*fates);
}

}  // namespace gotrace::probe
