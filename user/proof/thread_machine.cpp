#include "proof/thread_machine.h"

namespace gotrace::proof {
namespace {

constexpr std::uint64_t kLargestThreadStack = 64ULL << 20;
constexpr std::uint64_t kTlsSlot =
    8;  // linux/amd64: g is at -8 of the thread pointer (runtime/rt0, cmd/link: tlsoffset)

using Word = std::function<std::optional<Address>(Address)>;

std::optional<ThreadStack> stack_of(const goruntime::Layout& layout, Address g, const Word& word) {
  const auto lo = word(g + layout.g.stack_lo.offset);
  const auto hi = word(g + layout.g.stack_hi.offset);
  if (!lo || !hi || *lo >= *hi || *hi - *lo > kLargestThreadStack) return std::nullopt;
  return ThreadStack{*lo, *hi};
}

}  // namespace

std::optional<ThreadMachine> machine_of(const goruntime::Layout& layout, Address thread_pointer, const Word& word) {
  const auto g = word(thread_pointer - kTlsSlot);
  const auto m = g && *g != 0 ? word(*g + layout.g.m.offset) : std::nullopt;
  const auto g0 = m && *m != 0 ? word(*m + layout.m.g0.offset) : std::nullopt;
  const auto gsignal = g0 ? word(*m + layout.m.gsignal.offset) : std::nullopt;
  const auto current = gsignal ? word(*m + layout.m.curg.offset) : std::nullopt;
  if (!current || (*g != *g0 && *g != *gsignal && *g != *current)) return std::nullopt;
  const auto scheduler = stack_of(layout, *g0, word);
  if (!scheduler) return std::nullopt;
  return ThreadMachine{*scheduler, stack_of(layout, *gsignal, word).value_or(ThreadStack{})};
}

}  // namespace gotrace::proof
