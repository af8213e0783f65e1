// From records of the ring buffer to tracked objects: decoding, pairing, spans, fates.
#include <catch2/catch.hpp>
#include <cstring>
#include <map>

#include "probe/events.h"
#include "probe/fates.h"
#include "probe/pairing.h"
#include "probe/spans.h"

namespace gotrace::probe {
namespace {

template <typename T>
Bytes bytes_of(const T& value, std::size_t size = sizeof(T)) {
  return Bytes(reinterpret_cast<const std::byte*>(&value), size);
}

// ---------------------------------------------------------------- decoding
TEST_CASE("events: each kind is decoded whole") {
  gotrace_birth birth{{GOTRACE_BIRTHS, sizeof(birth), 11, 12, 13}, 14};
  const auto event = decode_event(bytes_of(birth));
  REQUIRE(event.has_value());
  REQUIRE(std::holds_alternative<gotrace_birth>(*event));
  const auto& got = std::get<gotrace_birth>(*event);
  CHECK(got.event.time_ns == 11);
  CHECK(got.event.goid == 12);
  CHECK(got.event.stack == 13);
  CHECK(got.start_pc == 14);
  gotrace_event end{GOTRACE_ENDS, sizeof(end), 1, 2, 0};
  CHECK(std::holds_alternative<EndEvent>(decode_event(bytes_of(end)).value()));
}

TEST_CASE("events: wrong sizes, kinds and counts are refused") {
  gotrace_birth birth{{GOTRACE_BIRTHS, sizeof(birth), 1, 2, 3}, 4};
  for (std::size_t size = 0; size < sizeof(birth); ++size) CHECK_FALSE(decode_event(bytes_of(birth, size)));
  birth.event.size = sizeof(birth) - 8;  // its own word differs from what the buffer says
  CHECK_FALSE(decode_event(bytes_of(birth)));
  CHECK_FALSE(decode_event(bytes_of(birth, sizeof(birth) - 8)));  // both agree, but the kind is longer
  birth.event.size = sizeof(birth);
  for (const std::uint32_t kind : {std::uint32_t{GOTRACE_ENDS}, std::uint32_t{GOTRACE_CALIBRATE}, 77U, ~0U}) {
    birth.event.kind = kind;
    CHECK_FALSE(decode_event(bytes_of(birth)));
  }
  gotrace_stack stack{};
  stack.kind = GOTRACE_EVENT_STACK;
  stack.size = sizeof(stack);
  stack.count = GOTRACE_MAX_FRAMES;
  CHECK(decode_event(bytes_of(stack)));
  stack.count = GOTRACE_MAX_FRAMES + 1;
  CHECK_FALSE(decode_event(bytes_of(stack)));
}

// ---------------------------------------------------------------- a heap made up of bytes
struct FakeMemory final : process::RemoteMemory {
  std::map<process::Address, std::vector<std::byte>> regions;
  bool read(process::Address address, std::span<std::byte> into) override {
    const auto after = regions.upper_bound(address);
    if (after == regions.begin()) return false;
    const auto& [begin, bytes] = *std::prev(after);
    const auto part = slice(bytes, address - begin, into.size());
    if (!part) return false;
    std::memcpy(into.data(), part->data(), part->size());
    return true;
  }
};

const goruntime::Layout& layout() {
  bool exact = false;
  return goruntime::layout_for(24, exact);
}

void put(std::vector<std::byte>& bytes, const goruntime::Field& field, std::uint64_t value) {
  REQUIRE(field.present());
  std::memcpy(bytes.data() + field.offset, &value, field.size);
}

struct FakeSpan {
  std::uint64_t start = 0xc000100000, slots = 170, size = 48;
  std::uint32_t generation = 13;  // cached while the heap's is 10
  std::uint8_t span_class = 10, state = 1;
  std::uint64_t used = 2;
  process::Address alloc_bits = 0x2000;
  std::vector<std::byte> bytes() const {
    std::vector<std::byte> result(layout().mspan.size);
    const auto& span = layout().mspan;
    put(result, span.startAddr, start);
    put(result, span.nelems, slots);
    put(result, span.elemsize, size);
    put(result, span.sweepgen, generation);
    put(result, span.spanclass, span_class);
    put(result, span.state, state);
    put(result, span.allocBits, alloc_bits);
    put(result, span.allocCountBeforeCache, used);
    return result;
  }
};

gotrace_refill refill_of(const FakeSpan& span, std::vector<int> bits) {
  gotrace_refill refill{};
  refill.mcache = 0x9000;
  refill.span = 0x1000;
  refill.span_class = span.span_class;
  refill.bits_count = GOTRACE_BITS_BYTES;
  const auto bytes = span.bytes();
  std::memcpy(refill.span_bytes, bytes.data(), bytes.size());
  for (const int bit : bits) refill.bits[bit / 8] = static_cast<unsigned char>(refill.bits[bit / 8] | 1 << (bit % 8));
  return refill;
}

TEST_CASE("spans: the first object of a replaced span lies in its first free slot") {
  FakeMemory memory;
  SpanLook look(memory, layout());
  REQUIRE(look.usable());
  const auto object = look.replaced(refill_of({}, {0, 1, 2, 5}));
  REQUIRE(object.has_value());
  CHECK(*object == FirstObject{0x1000, 0xc000100000 + 3 * 48, 48, 166, 3, 10, 10});
}

TEST_CASE("spans: of more slots than bits were copied, the free ones are counted by the span itself") {
  FakeMemory memory;
  SpanLook look(memory, layout());
  FakeSpan span;
  span.slots = 1024;
  span.size = 8;
  span.used = 1000;
  const auto object = look.replaced(refill_of(span, {0}));
  REQUIRE(object.has_value());
  CHECK(object->free_slots == 24);
  CHECK(object->slot == 1);
  auto full = refill_of(span, {});
  std::memset(full.bits, 0xff, sizeof(full.bits));
  CHECK_FALSE(look.replaced(full).has_value());
}

TEST_CASE("spans: of a large object's span, what was copied behind allocLarge is checked") {
  FakeMemory memory;
  SpanLook look(memory, layout());
  const auto large_of = [&](auto change) {
    FakeSpan span;
    span.slots = 1;
    span.size = 65536;
    span.span_class = 1;
    span.generation = 12;
    change(span);
    gotrace_large large{};
    large.span = 0x1000;
    const auto bytes = span.bytes();
    std::memcpy(large.span_bytes, bytes.data(), bytes.size());
    return look.large(large);
  };
  CHECK(large_of([](FakeSpan&) {}) == FirstObject{0x1000, 0xc000100000, 65536, 1, 0, 12, 1});
  CHECK_FALSE(large_of([](FakeSpan& span) { span.slots = 2; }));
  CHECK_FALSE(large_of([](FakeSpan& span) { span.span_class = 2; }));
  CHECK_FALSE(large_of([](FakeSpan& span) { span.size = 1024; }));
  CHECK_FALSE(large_of([](FakeSpan& span) { span.start = 0; }));
  CHECK_FALSE(large_of([](FakeSpan& span) { span.state = 0; }));
  CHECK_FALSE(look.large(gotrace_large{}));  // it could not be read
}

TEST_CASE("spans: what can't be a span that was just used up is no object") {
  FakeMemory memory;
  SpanLook look(memory, layout());
  const auto refused = [&look](auto change) {
    FakeSpan span;
    change(span);
    auto refill = refill_of(span, {});
    refill.span_class = 10;
    return !look.replaced(refill).has_value();
  };
  CHECK_FALSE(refused([](FakeSpan&) {}));
  CHECK(refused([](FakeSpan& span) { span.start = 0; }));  // runtime.emptymspan
  CHECK(refused([](FakeSpan& span) { span.state = 0; }));
  CHECK(refused([](FakeSpan& span) { span.span_class = 12; }));
  CHECK(refused([](FakeSpan& span) { span.slots = 0; }));
  CHECK(refused([](FakeSpan& span) { span.slots = 60'000; }));
  CHECK(refused([](FakeSpan& span) { span.size = 0; }));
  CHECK(refused([](FakeSpan& span) { span.size = UINT64_MAX; }));
  auto unread = refill_of({}, {});
  unread.span = 0;
  CHECK_FALSE(look.replaced(unread).has_value());
  unread = refill_of({}, {});
  unread.bits_count = GOTRACE_BITS_BYTES + 1;
  CHECK_FALSE(look.replaced(unread).has_value());
  unread.bits_count = 0;
  CHECK_FALSE(look.replaced(unread).has_value());
}

TEST_CASE("spans: what lies in a cache is believed only in the heap's generation") {
  FakeMemory memory;
  SpanLook look(memory, layout());
  const CacheSlot slot{0x9000, 10};
  std::vector<std::byte> pointer(8);
  const process::Address span_address = 0x1000;
  std::memcpy(pointer.data(), &span_address, 8);
  memory.regions[0x9000 + layout().mcache.alloc.offset + 80] = pointer;
  memory.regions[0x1000] = FakeSpan{}.bytes();
  CHECK_FALSE(look.cached(std::span(&slot, 1), 10)[0].has_value());  // bits can't be read
  memory.regions[0x2000] = std::vector<std::byte>(128);
  CHECK(look.cached(std::span(&slot, 1), 10)[0] == FirstObject{0x1000, 0xc000100000, 48, 170, 0, 10, 10});
  CHECK_FALSE(look.cached(std::span(&slot, 1), 12)[0].has_value());
  const CacheSlot other{0x8000, 10};
  CHECK_FALSE(look.cached(std::span(&other, 1), 10)[0].has_value());
}

TEST_CASE("spans: an object lives, is dead, or can't be told") {
  FakeMemory memory;
  SpanLook look(memory, layout());
  const FirstObject object{0x1000, 0xc000100000 + 3 * 48, 48, 170, 3, 10, 10};
  FakeSpan span;
  span.generation = 12;
  const auto survival = [&](const FakeSpan& now, std::uint32_t heap, int bits) {
    memory.regions[0x1000] = now.bytes();
    memory.regions[0x2000] = std::vector<std::byte>(128, static_cast<std::byte>(bits));
    return look.survivals(std::span(&object, 1), heap)[0];
  };
  CHECK(survival(span, 10, 0) == Survival::unchanged);  // no GC since
  CHECK(survival(span, 12, 8) == Survival::survived);
  CHECK(survival(span, 12, 0xf7) == Survival::dead);
  span.generation = 15;  // swept and in a cache again
  CHECK(survival(span, 12, 8) == Survival::survived);
  span.generation = 10;  // not swept yet
  CHECK(survival(span, 12, 0) == Survival::unchanged);
  span.generation = 14;  // two GCs later: the slot may be another's
  CHECK(survival(span, 14, 8) == Survival::unknown);
  CHECK(survival(span, 14, 0) == Survival::dead);
  span.start += 8192;  // the struct describes another span now
  CHECK(survival(span, 14, 8) == Survival::dead);
  memory.regions.clear();
  CHECK(look.survivals(std::span(&object, 1), 12)[0] == Survival::unknown);
}

// ---------------------------------------------------------------- pairing
PendingSample sample(std::uint64_t time_ns, std::uint64_t stack, process::Address mcache = 0x9000,
                     std::uint8_t span_class = 10) {
  return {time_ns, 1, static_cast<StackId>(stack), {mcache, span_class}, {}};
}
const FirstObject kObject{0x1000, 0xc000100000, 48, 170, 0, 10, 10};

TEST_CASE("pairing: a sample gets the span that the next refill of its slot replaces") {
  Pairing pairing;
  pairing.hit(sample(1, 1), kObject);  // installed before we came: nobody's
  pairing.hit(sample(2, 2, 0x9000, 12), std::nullopt);
  pairing.hit(sample(3, 3, 0x8000), std::nullopt);
  CHECK(pairing.take().empty());
  pairing.hit(sample(4, 4), kObject);
  const auto settled = pairing.take();
  REQUIRE(settled.size() == 1);
  CHECK(settled[0].sample.stack == static_cast<StackId>(1));
  CHECK(settled[0].object == kObject);
  CHECK(pairing.pending() == 3);
}

TEST_CASE("pairing: after a flush by the GC the sample stays without an object") {
  Pairing pairing;
  pairing.hit(sample(1, 1), std::nullopt);
  pairing.hit(sample(2, 2), std::nullopt);
  const auto settled = pairing.take();
  REQUIRE(settled.size() == 1);
  CHECK_FALSE(settled[0].object.has_value());
}

TEST_CASE("pairing: what was read from the cache counts only if no refill came before") {
  Pairing pairing;
  pairing.hit(sample(1, 1), std::nullopt);
  pairing.hit(sample(1, 2, 0x8000), std::nullopt);
  CHECK(pairing.quiet(1000, 2000).empty());
  REQUIRE(pairing.quiet(3000, 2000).size() == 2);
  FirstObject seen = kObject;
  seen.base += 48;
  pairing.looked({0x9000, 10}, seen);
  pairing.looked({0x8000, 10}, seen);
  CHECK(pairing.quiet(9000, 2000).empty());
  pairing.hit(sample(5, 3), kObject);  // had come before the look, as it turns out
  pairing.confirm();
  const auto settled = pairing.take();
  REQUIRE(settled.size() == 2);
  CHECK(settled[0].object == kObject);
  CHECK(settled[1].object == seen);
  CHECK(pairing.pending() == 1);
}

TEST_CASE("pairing: when hits are missed nothing is paired") {
  Pairing pairing;
  pairing.hit(sample(1, 1), std::nullopt);
  pairing.hit(sample(2, 2), kObject);
  pairing.broken();
  const auto settled = pairing.take();
  REQUIRE(settled.size() == 2);
  CHECK_FALSE(settled[0].object.has_value());
  CHECK_FALSE(settled[1].object.has_value());
  pairing.hit(sample(3, 3), kObject);
  CHECK(pairing.take().empty());
}

// ---------------------------------------------------------------- fates
HeapCounters counters(std::uint64_t time_ns, std::uint32_t cycles, bool running = false, bool swept = true) {
  HeapCounters result;
  result.time_ns = time_ns;
  result.gc_cycles = cycles;
  result.gc_running = running;
  result.swept = swept;
  return result;
}
Fates::Look answer(std::vector<Survival> survivals) {
  return [survivals](std::span<const FirstObject>, std::uint32_t) { return survivals; };
}

TEST_CASE("fates: reported once a GC, with the last time that was surely before its mark") {
  Fates fates;
  CHECK_FALSE(fates.report(counters(100, 5)).has_value());
  fates.track(1, kObject);
  fates.track(2, kObject);
  fates.track(3, kObject);
  CHECK_FALSE(fates.report(counters(200, 5)).has_value());
  CHECK_FALSE(fates.report(counters(300, 5, true)).has_value());
  fates.look(12, answer({Survival::survived, Survival::dead, Survival::unknown}));
  CHECK_FALSE(fates.report(counters(400, 6, false, false)).has_value());  // not swept
  const auto report = fates.report(counters(500, 6));
  REQUIRE(report.has_value());
  CHECK(report->gc_cycle == 6);
  CHECK(report->mark_begin_ns == 200);
  CHECK(report->dead == std::vector<std::uint64_t>{2});
  CHECK(report->censored == std::vector<std::uint64_t>{3});
  CHECK(fates.tracked() == 1);
  CHECK_FALSE(fates.report(counters(600, 6)).has_value());
}

TEST_CASE("fates: an object is looked at once a generation") {
  Fates fates;
  fates.track(1, kObject);
  std::size_t looks = 0;
  const auto count = [&looks](std::span<const FirstObject> objects, std::uint32_t) {
    looks += objects.size();
    return std::vector<Survival>(objects.size(), Survival::survived);
  };
  fates.look(10, count);
  CHECK(looks == 0);  // its own generation: no GC since
  fates.look(12, count);
  fates.look(12, count);
  CHECK(looks == 1);
  fates.look(14, count);
  CHECK(looks == 2);
}

TEST_CASE("fates: too many tracked objects are let go, and said to be") {
  Fates fates;
  CHECK_FALSE(fates.report(counters(1, 1)).has_value());
  for (std::uint64_t id = 1; id <= Fates::kMostTracked + 3; ++id) fates.track(id, kObject);
  CHECK(fates.tracked() == Fates::kMostTracked);
  CHECK(fates.report(counters(2, 2)).value().censored == std::vector<std::uint64_t>{1, 2, 3});
  fates.thin_out();
  CHECK(fates.tracked() == Fates::kMostTracked / 2);
  CHECK(fates.report(counters(3, 3)).value().censored.size() == Fates::kMostTracked / 2);
}

}  // namespace
}  // namespace gotrace::probe
