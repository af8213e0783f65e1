#include "proof/thread_stacks.h"

#include <fmt/format.h>

#include <algorithm>

#include "goruntime/heap_arenas.h"

namespace gotrace::proof {
namespace {

constexpr std::uint64_t kRedZone = 128;  // bytes below the stack pointer that C's code may use (System V ABI, amd64)
constexpr std::uint64_t kLargestThreadStack = 64ULL << 20;

Address begin_of_use(Address stack_pointer) { return (stack_pointer - kRedZone) / 8 * 8; }

}  // namespace

std::optional<Address> ThreadStacks::word(Address address) const {
  const auto bytes = captured_.snapshot->bytes(address, 8);
  return bytes ? std::optional(load_or_zero<Address>(*bytes, 0)) : std::nullopt;
}

std::optional<ThreadMachine> ThreadStacks::machine_of(const process::StoppedThread& thread) const {
  return proof::machine_of(captured_.program->layout(), thread.thread_pointer,
                           [this](Address address) { return word(address); });
}

// The span or mapping that it is in.
std::optional<process::MemoryRange> ThreadStacks::region_of(Address address) const {
  for (const goruntime::SpanView& span : captured_.spans) {
    const process::MemoryRange range{span.base, span.base + span.pages * goruntime::kHeapPage};
    if (span.manual() && address >= range.begin && address < range.end) return range;
  }
  const auto after = std::ranges::upper_bound(captured_.foreign, address, {}, &process::MemoryRange::begin);
  if (after == captured_.foreign.begin() || address >= std::prev(after)->end) return std::nullopt;
  return *std::prev(after);
}

// A thread stands on a goroutine's stack, on its scheduler's (g0), on its signal handler's (gsignal), or on one of C's.
// A signal handler stands above one of the others, whose own stack pointer is in the signal's frame: then all of the
// scheduler's stack counts, as does all of a running goroutine's.
std::string ThreadStacks::add(const process::StoppedThread& thread) {
  const Address stack_pointer = thread.stack_pointer;
  const auto machine = machine_of(thread);
  if (const auto goroutine = goroutines_.by_stack(stack_pointer)) {
    const Address from = std::max(begin_of_use(stack_pointer), goroutines_.all()[*goroutine].stack_lo);
    const auto [known, fresh] = running_.try_emplace(*goroutine, from);
    if (!fresh) known->second = std::min(known->second, from);
    return {};
  }
  if (machine && machine->scheduler.contains(stack_pointer)) {
    ranges_.push_back({std::max(begin_of_use(stack_pointer), machine->scheduler.lo), machine->scheduler.hi});
    return {};
  }
  const auto region = region_of(stack_pointer);
  if (!region) return fmt::format("a thread's stack is not where one can be ({:#x})", stack_pointer);
  ranges_.push_back({std::max(begin_of_use(stack_pointer), region->begin),
                     std::min(region->end, stack_pointer / 8 * 8 + kLargestThreadStack)});
  // In a program with cgo the scheduler's stack is C's, of which all counts (Roots::mark_foreign).
  if (!machine && captured_.program->build_info().cgo) return {};
  if (!machine) return fmt::format("a thread has no goroutine, not even the scheduler's ({})", thread.tid);
  for (const ThreadStack& stack : {machine->scheduler, machine->signal}) {
    if (!stack.known()) continue;
    const auto around = region_of(stack.hi - 8);
    if (!around) return fmt::format("a thread's stack is not where one can be ({:#x})", stack.hi);
    ranges_.push_back({std::max(stack.lo / 8 * 8, around->begin), stack.hi / 8 * 8});
  }
  return {};
}

}  // namespace gotrace::proof
