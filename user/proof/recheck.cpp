#include "proof/recheck.h"

#include "goruntime/goroutine_reader_batch.h"
#include "goruntime/goroutine_reader_list.h"

namespace gotrace::proof {
namespace {

bool waits(const goruntime::GView& view) {
  return view.status == GoStatus::waiting || view.status == GoStatus::leaked;  // 1.26: a leak profile says leaked
}

// A GC may have moved its stack, nothing else (runtime/stack.go, shrinkstack). trackingSeq counts each time it stops
// running.
bool same_wait(const goruntime::GView& then, const goruntime::GView& now) {
  return then.goid == now.goid && waits(now) && then.wait_reason == now.wait_reason && then.waiting == now.waiting &&
         then.tracking == now.tracking && then.pc == now.pc && then.depth() == now.depth();
}

}  // namespace

std::optional<std::uint64_t> find_contradiction(const goruntime::Program& program, const Captured& captured,
                                                const Verdicts& verdicts) {
  if (verdicts.proved.empty()) return std::nullopt;
  const goruntime::GLayout layout(program.layout());
  std::vector<Address> addresses;
  addresses.reserve(verdicts.proved.size());
  for (const ProvedGoroutine& goroutine : verdicts.proved) addresses.push_back(goroutine.g);
  std::optional<std::uint64_t> contradiction;
  goruntime::run_read_plan(program.target().memory(), goruntime::make_read_plan(addresses, layout.size()),
                           [&](std::uint32_t index, Bytes now) {
                             const auto then = captured.snapshot->bytes(addresses[index], layout.size());
                             if (!then || same_wait(layout.decode(*then), layout.decode(now))) return;
                             contradiction = verdicts.proved[index].goid;
                           });
  return contradiction;
}

}  // namespace gotrace::proof
