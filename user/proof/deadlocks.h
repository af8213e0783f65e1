// Deadlocks: proved goroutines that wait for each other.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "proof/goroutines.h"
#include "proof/heap_graph.h"

namespace gotrace::proof {

// For each goroutine of `proved` (indices into goroutines.all()): 0, or a number that it shares with those that wait
// for it and for which it waits. One waits for another when that one's stack leads to what it waits for, within a few
// hundred objects, and does not wait for the same. `pointers`: what a goroutine's stack leads to. Of very many
// goroutines nothing is told.
[[nodiscard]] std::vector<std::uint32_t> find_deadlocks(
    const Goroutines& goroutines, HeapGraph& graph, const std::vector<std::uint32_t>& proved,
    const std::function<std::vector<std::uint64_t>(const Goroutine&)>& pointers);

}  // namespace gotrace::proof
