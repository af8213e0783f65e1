// Go up to 1.22: a channel does not know that a timer sends on it; the timers, in the Ps' heaps, know their channel.
#include <algorithm>

#include "goruntime/goroutine_reader_batch.h"
#include "goruntime/wait_objects.h"

namespace gotrace::goruntime {
namespace {

constexpr std::uint64_t kMostProcessors = 1U << 16;
constexpr std::uint64_t kMostTimers = 1U << 22;  // in all; beyond, the rest is not looked at

struct Slice {
  process::Address data = 0;
  std::uint64_t length = 0;
};

}  // namespace

// runtime/time.go, Go 1.15 to 1.22: p.timers is a []*timer.
std::vector<process::Address> WaitObjects::timer_addresses() const {
  std::vector<process::Address> timers;
  const auto allp = program_.global("allp");
  const auto& p = layout_.p;
  if (!allp || !p.timers_array.present() || !p.timers_len.present()) return timers;
  const auto header = memory_.value<Slice>(*allp);
  if (!header || header->length > kMostProcessors) return timers;
  for (std::uint64_t i = 0; i < header->length; ++i) {
    const auto address = memory_.value<process::Address>(header->data + 8 * i);
    if (!address) continue;
    const auto heap = memory_.value<process::Address>(*address + p.timers_array.offset);
    const auto length = memory_.value<std::uint64_t>(*address + p.timers_len.offset);
    if (!heap || !length || *length > kMostTimers - timers.size()) continue;
    const auto block = memory_.block(*heap, 8 * *length);
    if (!block) continue;
    for (std::uint64_t at = 0; at < *length; ++at) timers.push_back(load_or_zero<process::Address>(*block, 8 * at));
  }
  return timers;
}

// A channel timer's arg is the channel (time/sleep.go, NewTimer). Args of other timers are no channels' addresses.
void WaitObjects::read_timer_channels() {
  timers_known_ = true;
  timer_channels_.clear();
  if (layout_.timer.size == 0 || !layout_.timer.arg.present()) return;
  const std::uint32_t data = layout_.timer.arg.offset + 8;  // of an interface: {type, data}
  run_read_plan(memory_, make_read_plan(timer_addresses(), layout_.timer.size), [&](std::uint32_t, Bytes timer) {
    const auto channel = load_or_zero<process::Address>(timer, data);
    if (channel != 0) timer_channels_.insert(channel);
  });
}

}  // namespace gotrace::goruntime
