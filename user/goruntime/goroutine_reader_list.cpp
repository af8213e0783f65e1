#include "goruntime/goroutine_reader_list.h"

#include <algorithm>
#include <ctime>
#include <utility>

namespace gotrace::goruntime {
namespace {

constexpr std::uint32_t kScanBit = 0x1000;           // runtime/runtime2.go, _Gscan
constexpr std::uint64_t kMostGoroutines = 1U << 25;  // one array of pointers of 256 MiB

struct SliceHeader {
  process::Address data = 0;
  std::uint64_t length = 0;
};

std::uint64_t clock_ns(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

bool is_status(std::uint32_t value) { return value <= 11 && value != 5 && value != 7; }

}  // namespace

bool GView::has_still_stack() const {
  const bool still = status == GoStatus::waiting || status == GoStatus::runnable || status == GoStatus::preempted ||
                     status == GoStatus::syscall || status == GoStatus::leaked;
  return still && pc != 0 && sp >= stack_lo && sp < stack_hi;
}

std::string GLayout::why_unusable() const {
  const auto& g = layout_.g;
  for (const Field* field : {&g.goid, &g.atomicstatus, &g.waitreason, &g.waitsince, &g.gopc, &g.startpc, &g.sched_sp,
                             &g.sched_pc, &g.sched_bp, &g.sched_g, &g.stack_lo, &g.stack_hi}) {
    if (!field->present()) return "the layout of runtime.g is not known for this Go version";
  }
  return {};
}

GView GLayout::decode(Bytes bytes) const {
  const auto& g = layout_.g;
  const auto word = [bytes](const Field& field) { return load_or_zero<std::uint64_t>(bytes, field.offset); };
  GView view;
  view.goid = word(g.goid);
  view.parent = g.parentGoid.present() ? word(g.parentGoid) : 0;
  view.wait_since = word(g.waitsince);
  view.created_pc = word(g.gopc);
  view.start_pc = word(g.startpc);
  view.pc = word(g.sched_pc);
  view.sp = word(g.sched_sp);
  view.bp = word(g.sched_bp);
  view.stack_lo = word(g.stack_lo);
  view.stack_hi = word(g.stack_hi);
  view.waiting = g.waiting.present() ? word(g.waiting) : 0;
  const auto status = load_or_zero<std::uint32_t>(bytes, g.atomicstatus.offset) & ~kScanBit;
  view.status = is_status(status) ? static_cast<GoStatus>(status) : GoStatus::dead;
  view.wait_reason = load_or_zero<std::uint8_t>(bytes, g.waitreason.offset);
  view.tracking = g.trackingSeq.present() ? load_or_zero<std::uint8_t>(bytes, g.trackingSeq.offset) : 0;
  if (view.status == GoStatus::syscall && g.syscallsp.present() && g.syscallpc.present() && word(g.syscallsp) != 0) {
    view.pc = word(g.syscallpc);
    view.sp = word(g.syscallsp);
    view.bp = g.syscallbp.present() ? word(g.syscallbp) : 0;  // before 1.23 sched.bp is stale here
  }
  return view;
}

bool GLayout::plausible(process::Address address, Bytes bytes) const {
  const auto& g = layout_.g;
  const auto status = load_or_zero<std::uint32_t>(bytes, g.atomicstatus.offset) & ~kScanBit;
  if (!is_status(status)) return false;
  const GView view = decode(bytes);
  if (!view.exists()) return true;
  return load_or_zero<std::uint64_t>(bytes, g.sched_g.offset) == address && view.stack_lo < view.stack_hi &&
         view.goid < (1ULL << 48);
}

std::optional<AllgsPart> read_allgs(const Program& program, std::uint64_t first, std::uint64_t count) {
  constexpr int kAttempts = 4;
  const auto allgs = program.global("allgs");
  if (!allgs) return std::nullopt;
  auto& memory = program.target().memory();
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const auto header = memory.value<SliceHeader>(*allgs);
    if (!header || header->length > kMostGoroutines) return std::nullopt;
    const std::uint64_t begin = std::min(first, header->length);
    AllgsPart part{.addresses = {}, .length = header->length};
    part.addresses.resize(static_cast<std::size_t>(std::min(count, header->length - begin)));
    const bool read = memory.read(header->data + 8 * begin, std::as_writable_bytes(std::span(part.addresses)));
    const auto after = memory.value<SliceHeader>(*allgs);
    // It may have grown in place meanwhile; what was read is true all the same.
    if (read && after && after->data == header->data && after->length >= header->length) return part;
  }
  return std::nullopt;
}

std::optional<std::vector<process::Address>> read_allgs(const Program& program) {
  auto all = read_allgs(program, 0, kMostGoroutines);
  if (!all) return std::nullopt;
  return std::move(all->addresses);
}

std::uint64_t monotonic_ns() { return clock_ns(CLOCK_MONOTONIC); }

std::uint64_t thread_cpu_ns() { return clock_ns(CLOCK_THREAD_CPUTIME_ID); }

}  // namespace gotrace::goruntime
