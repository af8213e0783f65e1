#include "goruntime/stack_unwinder.h"

#include <string_view>

#include "goruntime/pclntab.h"

namespace gotrace::goruntime {
namespace {

// Functions that Go's traceback takes for the end of a stack (runtime/traceback.go, topofstack; Go 1.15 to 1.27).
bool is_outermost(std::string_view name) {
  return name == "runtime.goexit" || name == "runtime.mstart" || name == "runtime.mstart0" ||
         name == "runtime.rt0_go" || name == "runtime.mcall" || name == "runtime.morestack";
}

constexpr std::size_t kMostSteps = 4 * kMostFrames;  // frames walked over, hidden ones included

}  // namespace

std::optional<std::uint64_t> StackWindow::word(process::Address address) const {
  if (address < begin_ || end_ < 8 || address > end_ - 8) return std::nullopt;
  if (const auto value = load<std::uint64_t>(bytes_, address - begin_)) return value;
  return memory_ == nullptr ? std::nullopt : memory_->value<std::uint64_t>(address);
}

// A wrapper that the compiler made and that nothing was inlined into at `pc`.
bool StackUnwinder::is_wrapper(const FunctionRange& function, std::uint64_t pc) const {
  if (function.function_id != wrapper_function_id(program_.build_info().minor)) return false;
  const auto frames = program_.functions().frames(pc);
  return frames.size() == 1 && frames.front().function == function.name;
}

const StackUnwinder::Facts& StackUnwinder::facts(process::Address pc, bool innermost) {
  auto& all = recent_[innermost ? 1 : 0];
  Recent& recent = all[(pc ^ pc >> 8) % all.size()];
  if (recent.facts == nullptr || recent.pc != pc) recent = {pc, &look_up(pc, innermost)};
  return *recent.facts;
}

const StackUnwinder::Facts& StackUnwinder::look_up(process::Address pc, bool innermost) {
  auto& cache = innermost ? innermost_ : return_addresses_;
  const auto [place, is_new] = cache.try_emplace(pc);
  Facts& facts = place->second;
  if (!is_new || pc < program_.load_bias()) return facts;
  std::uint64_t address = pc - program_.load_bias();
  // A return address may lie just behind the last call of its function. The saved pc of a parked goroutine is one as
  // well, that of a goroutine that never ran is the entry of its function (runtime/proc.go, newproc1).
  auto function = program_.functions().containing(address);
  facts.is_entry = innermost && function && function->entry == address;
  if (!facts.is_entry) {
    if (address == 0) return facts;
    function = program_.functions().containing(--address);
  }
  if (!function) return facts;
  facts.known = true;
  facts.outermost = is_outermost(function->name);
  facts.hidden = !innermost && is_wrapper(*function, address);
  facts.delta = program_.functions().stack_delta(address);
  return facts;
}

bool StackUnwinder::unwind(process::Address pc, process::Address sp, process::Address bp, const StackWindow& window,
                           UnwoundStack& into) {
  into.count = 0;
  into.truncated = false;
  std::size_t steps = 0;
  while (true) {
    const Facts& here = facts(pc, steps == 0);
    if (!here.known) return false;
    if (steps == 0) into.first_is_exact = here.is_entry;
    if (into.count == kMostFrames) {
      into.truncated = true;
      return true;
    }
    if (!here.hidden) {
      into.ends[into.count] = 0;
      into.pcs[into.count++] = pc;
    }
    if (++steps > kMostSteps) return false;
    if (here.outermost) return true;
    if (here.delta && *here.delta < 0) return false;
    const process::Address slot = here.delta ? sp + static_cast<std::uint32_t>(*here.delta) : bp + 8;
    if (slot < sp) return false;  // a frame pointer that leads back
    if (!here.hidden) into.ends[into.count - 1] = slot + 8;
    const auto return_address = window.word(slot);
    if (!return_address) return false;
    if (*return_address == 0) return true;
    if (bp + 8 == slot) bp = window.word(bp).value_or(0);
    sp = slot + 8;
    pc = *return_address;
  }
}

}  // namespace gotrace::goruntime
