#include "proof/stack_scan.h"

#include <algorithm>

namespace gotrace::proof {
namespace {

constexpr std::size_t kMostFrames = 1U << 20;

// Frames whose words are not what the maps say: registers of the code below them (runtime/mgcmark.go,
// scanframeworker), or arguments of any shape (reflect's stubs have maps of their own making).
bool has_no_maps(std::string_view function) {
  return function.starts_with("runtime.asyncPreempt") || function.starts_with("runtime.debugCall") ||
         function == "runtime.sigpanic" || function == "reflect.makeFuncStub" || function == "reflect.methodValueCall";
}

}  // namespace

const StackScan::Frame& StackScan::frame_at(Address pc) {
  const auto [known, fresh] = frames_.try_emplace(pc);
  Frame& frame = known->second;
  if (!fresh || pc <= program_.load_bias()) return frame;
  const std::uint64_t call = pc - program_.load_bias() - 1;  // a return address
  const auto function = program_.functions().containing(call);
  if (!function || has_no_maps(function->name)) return frame;
  frame.outermost = function->name == "runtime.goexit";
  const auto delta = program_.functions().stack_delta(call);
  auto maps = delta ? program_.functions().frame_maps(call) : std::nullopt;
  if (frame.outermost) {
    frame.known = true;
  } else if (maps) {
    frame.known = true;
    frame.delta = static_cast<std::uint32_t>(*delta);
    frame.maps = std::move(*maps);
  }
  return frame;
}

std::optional<Address> StackScan::word(Address address) const {
  return address < begin_ ? std::nullopt : load<Address>(stack_, address - begin_);
}

bool StackScan::take_word(Address address, Address pc) {
  const auto value = word(address);
  if (!value) return false;
  pointers_.push_back(*value);
  found_in_.push_back(pc);
  return true;
}

bool StackScan::take_words(Address begin, const std::vector<bool>& map, Address pc) {
  for (std::size_t i = 0; i < map.size(); ++i)
    if (map[i] && !take_word(begin + 8 * i, pc)) return false;
  return true;
}

// runtime/traceback.go, unwinder.resolveInternal: locals end below the saved frame pointer, arguments begin above the
// return address.
bool StackScan::take_frame(const Frame& frame, Address sp, Address pc) {
  const Address return_slot = sp + frame.delta;
  const Address locals_end = frame.delta > 0 ? return_slot - 8 : return_slot;
  const Address arguments = return_slot + 8;
  if (8 * frame.maps.locals.size() > locals_end - sp) return false;
  if (!take_words(locals_end - 8 * frame.maps.locals.size(), frame.maps.locals, pc)) return false;
  if (!take_words(arguments, frame.maps.arguments, pc)) return false;
  for (const auto& object : frame.maps.objects) {
    const Address base = object.offset >= 0 ? arguments : locals_end;
    const Address begin = base + static_cast<Address>(static_cast<std::int64_t>(object.offset));
    if (begin >= sp) objects_.push_back({begin, object.size, pc});  // below: not made yet
  }
  return true;
}

// Variables whose address is taken count when a pointer leads to them; all of their words may be pointers then.
bool StackScan::follow_objects() {
  std::ranges::sort(objects_, {}, &Object::begin);
  for (std::size_t i = 0; i < pointers_.size(); ++i) {
    const Address pointer = pointers_[i];
    if (pointer < begin_ || pointer >= end_) continue;
    const auto after = std::ranges::upper_bound(objects_, pointer, {}, &Object::begin);
    if (after == objects_.begin()) continue;
    Object& object = *std::prev(after);
    if (object.visited || pointer - object.begin >= object.size) continue;
    object.visited = true;
    for (Address at = object.begin; at + 8 <= object.begin + object.size; at += 8)
      if (!take_word(at, object.pc)) return false;
  }
  return true;
}

// Deferred calls and panics lead to places that the frames do not tell of.
bool StackScan::is_plain(Address g) const {
  const auto& fields = program_.layout().g;
  for (const goruntime::Field* field : {&fields._defer, &fields._panic}) {
    const auto value = field->present() ? snapshot_.bytes(g + field->offset, 8) : std::nullopt;
    if (!value || load_or_zero<Address>(*value, 0) != 0) return false;
  }
  return true;
}

// One that waits otherwise may run on the scheduler's stack.
bool StackScan::parked(Address pc) const {
  if (pc <= program_.load_bias()) return false;
  const auto function = program_.functions().containing(pc - program_.load_bias() - 1);
  return function && function->name == "runtime.gopark";
}

std::optional<std::vector<std::uint64_t>> StackScan::pointers(const Goroutine& goroutine) {
  const auto& fields = program_.layout().g;
  const auto saved_pc = snapshot_.bytes(goroutine.g + fields.sched_pc.offset, 8);
  const auto stack = snapshot_.bytes(goroutine.scan_from, goroutine.stack_hi - goroutine.scan_from);
  if (goroutine.status != GoStatus::waiting || !saved_pc || !stack || !is_plain(goroutine.g)) return std::nullopt;
  begin_ = goroutine.scan_from;
  end_ = goroutine.stack_hi;
  stack_ = *stack;
  pointers_.clear();
  found_in_.clear();
  objects_.clear();
  auto pc = load_or_zero<Address>(*saved_pc, 0);
  if (!parked(pc)) return std::nullopt;
  Address sp = begin_;
  for (std::size_t i = 0; i < kMostFrames; ++i) {
    const Frame& frame = frame_at(pc);
    if (!frame.known) return std::nullopt;
    if (frame.outermost) return follow_objects() ? std::optional(pointers_) : std::nullopt;
    const auto return_address = word(sp + frame.delta);
    if (!return_address || !take_frame(frame, sp, pc)) return std::nullopt;
    pc = *return_address;
    sp += frame.delta + 8;
  }
  return std::nullopt;
}

}  // namespace gotrace::proof
