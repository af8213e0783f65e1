#include "goruntime/heap_arenas.h"

namespace gotrace::goruntime {

bool in_heap_arena(const Program& program, process::Address address) {
  // runtime/malloc.go, linux/amd64: heapArenaBytes, arenaBaseOffset, arenaL1Bits = 0, arenaL2Bits = 22.
  constexpr std::uint64_t kArenaBytes = 64ULL << 20;
  constexpr std::uint64_t kArenaOffset = 0xffff800000000000U;
  constexpr std::uint64_t kMostArenas = 1ULL << 22;
  const auto heap = program.global("mheap_");
  const Field& field = program.layout().mheap.arenas;
  const std::uint64_t index = (address - kArenaOffset) / kArenaBytes;
  if (!heap || !field.present() || index >= kMostArenas) return false;
  auto& memory = program.target().memory();
  const auto map = memory.value<process::Address>(*heap + field.offset);
  if (!map || *map == 0) return false;
  return memory.value<process::Address>(*map + 8 * index).value_or(0) != 0;
}

}  // namespace gotrace::goruntime
