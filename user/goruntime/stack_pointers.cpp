#include "goruntime/stack_pointers.h"

#include <algorithm>
#include <array>

#include "base/byte_reader.h"

namespace gotrace::goruntime {
namespace {

constexpr std::size_t kMostFrames = 1U << 20;  // walked over

// Frames whose words are not what the maps say: registers of the code below them (runtime/mgcmark.go,
// scanframeworker), or arguments of any shape (reflect's stubs have maps of their own making).
bool has_no_maps(std::string_view function) {
  return function.starts_with("runtime.asyncPreempt") || function.starts_with("runtime.debugCall") ||
         function == "runtime.sigpanic" || function == "reflect.makeFuncStub" || function == "reflect.methodValueCall";
}

}  // namespace

const StackPointers::Frame& StackPointers::frame_at(process::Address pc) {
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

std::optional<std::uint64_t> StackPointers::word(process::Address address) const {
  return address < begin_ ? std::nullopt : load<std::uint64_t>(stack_, address - begin_);
}

bool StackPointers::take_word(process::Address address, process::Address pc) {
  const auto value = word(address);
  if (!value) return false;
  pointers_.push_back({address, *value, pc});
  return true;
}

bool StackPointers::take_words(process::Address begin, const std::vector<bool>& map, process::Address pc) {
  for (std::size_t i = 0; i < map.size(); ++i)
    if (map[i] && !take_word(begin + 8 * i, pc)) return false;
  return true;
}

// runtime/traceback.go, unwinder.resolveInternal: locals end below the saved frame pointer, arguments begin above the
// return address.
bool StackPointers::take_frame(const Frame& frame, process::Address sp, process::Address pc) {
  const process::Address return_slot = sp + frame.delta;
  const process::Address locals_end = frame.delta > 0 ? return_slot - 8 : return_slot;
  const process::Address arguments = return_slot + 8;
  if (8 * frame.maps.locals.size() > locals_end - sp) return false;
  if (!take_words(locals_end - 8 * frame.maps.locals.size(), frame.maps.locals, pc)) return false;
  if (!take_words(arguments, frame.maps.arguments, pc)) return false;
  for (const auto& object : frame.maps.objects) {
    const process::Address base = object.offset >= 0 ? arguments : locals_end;
    const process::Address begin = base + static_cast<process::Address>(static_cast<std::int64_t>(object.offset));
    if (begin >= sp) objects_.push_back({begin, object.size, pc});  // below: not made yet
  }
  return true;
}

// Variables whose address is taken count when a pointer leads to them; all of their words may be pointers then.
bool StackPointers::follow_objects() {
  std::ranges::sort(objects_, {}, &Object::begin);
  for (std::size_t i = 0; i < pointers_.size(); ++i) {
    const process::Address pointer = pointers_[i].value;
    if (pointer - begin_ >= stack_.size()) continue;
    const auto after = std::ranges::upper_bound(objects_, pointer, {}, &Object::begin);
    if (after == objects_.begin()) continue;
    Object& object = *std::prev(after);
    if (object.visited || pointer - object.begin >= object.size) continue;
    object.visited = true;
    for (process::Address at = object.begin; at + 8 <= object.begin + object.size; at += 8)
      if (!take_word(at, object.pc)) return false;
  }
  return true;
}

// Deferred calls and panics lead to places that the frames do not tell of.
bool StackPointers::is_plain(Bytes g) const {
  const auto& fields = program_.layout().g;
  return std::ranges::all_of(std::array{&fields._defer, &fields._panic}, [g](const Field* field) {
    const auto value = field->present() ? load<std::uint64_t>(g, field->offset) : std::nullopt;
    return value && *value == 0;
  });
}

// One that waits otherwise may run on the scheduler's stack.
bool StackPointers::parked(process::Address pc) const {
  if (pc <= program_.load_bias()) return false;
  const auto function = program_.functions().containing(pc - program_.load_bias() - 1);
  return function && function->name == "runtime.gopark";
}

std::optional<std::span<const StackPointer>> StackPointers::find(Bytes g, process::Address sp, Bytes stack) {
  const auto saved_pc = load<std::uint64_t>(g, program_.layout().g.sched_pc.offset);
  if (!saved_pc || !parked(*saved_pc) || !is_plain(g)) return std::nullopt;
  begin_ = sp;
  stack_ = stack;
  pointers_.clear();
  objects_.clear();
  process::Address pc = *saved_pc;
  for (std::size_t i = 0; i < kMostFrames; ++i) {
    const Frame& frame = frame_at(pc);
    if (!frame.known) return std::nullopt;
    if (frame.outermost)
      return follow_objects() ? std::optional(std::span<const StackPointer>(pointers_)) : std::nullopt;
    const auto return_address = word(sp + frame.delta);
    if (!return_address || !take_frame(frame, sp, pc)) return std::nullopt;
    pc = *return_address;
    sp += frame.delta + 8;
  }
  return std::nullopt;
}

}  // namespace gotrace::goruntime
