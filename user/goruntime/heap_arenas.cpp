#include "goruntime/heap_arenas.h"

namespace gotrace::goruntime {

std::optional<process::Address> heap_arena(const Program& program, process::Address address) {
  const auto heap = program.global("mheap_");
  const Field& field = program.layout().mheap.arenas;
  const std::uint64_t index = arena_index(address);
  if (!heap || !field.present() || index >= kMostArenas) return std::nullopt;
  auto& memory = program.target().memory();
  const auto map = memory.value<process::Address>(*heap + field.offset);
  if (!map || *map == 0) return std::nullopt;
  const auto arena = memory.value<process::Address>(*map + 8 * index);
  return arena && *arena != 0 ? arena : std::nullopt;
}

bool in_heap_arena(const Program& program, process::Address address) {
  return heap_arena(program, address).has_value();
}

}  // namespace gotrace::goruntime
