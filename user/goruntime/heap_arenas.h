// The heap's arenas: which addresses belong to Go's heap, and where what the runtime notes of each arena lies.
#pragma once

#include <cstdint>
#include <optional>

#include "goruntime/program.h"

namespace gotrace::goruntime {

// runtime/malloc.go and sizeclasses.go, linux/amd64, Go 1.15 to 1.27: heapArenaBytes, arenaBaseOffset, arenaL1Bits = 0,
// arenaL2Bits = 22, _PageSize.
constexpr std::uint64_t kArenaBytes = 64ULL << 20;
constexpr std::uint64_t kArenaOffset = 0xffff800000000000U;
constexpr std::uint64_t kMostArenas = 1ULL << 22;
constexpr std::uint64_t kHeapPage = 8192;

[[nodiscard]] constexpr std::uint64_t arena_index(process::Address address) {
  return (address - kArenaOffset) / kArenaBytes;
}
[[nodiscard]] constexpr std::uint64_t offset_in_arena(process::Address address) {
  return (address - kArenaOffset) % kArenaBytes;
}

// The runtime.heapArena of the arena that `address` lies in; nullopt when none was made, or that can't be read.
[[nodiscard]] std::optional<process::Address> heap_arena(const Program& program, process::Address address);

// Whether an arena of the heap was made for this address; false too when that can't be read.
[[nodiscard]] bool in_heap_arena(const Program& program, process::Address address);

}  // namespace gotrace::goruntime
