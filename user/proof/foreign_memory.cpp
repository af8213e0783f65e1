#include "proof/foreign_memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "goruntime/heap_arenas.h"

namespace gotrace::proof {
namespace {

using process::Address;
using process::MemoryRange;

constexpr std::uint64_t kLargestForeign = 4ULL << 30;  // of one mapping: reading its page map takes time, too

// Arenas are where the heap may begin or end.
void add_mapping(const goruntime::Program& program, const process::Mapping& mapping, Foreign& foreign) {
  for (Address at = mapping.begin; at < mapping.end;) {
    const Address border = at - goruntime::offset_in_arena(at) + goruntime::kArenaBytes;
    const MemoryRange part{at, std::min(mapping.end, border > at ? border : mapping.end)};
    if (!goruntime::in_heap_arena(program, at)) foreign.ranges.push_back(part);
    at = part.end;
  }
}

}  // namespace

Result<Foreign> find_foreign(const goruntime::Program& program) {
  const auto mappings = program.target().mappings();
  if (!mappings) return mappings.error();
  Foreign foreign;
  for (const process::Mapping& mapping : *mappings) {
    if (!mapping.readable || !mapping.writable || mapping.path.starts_with("/dev/")) continue;
    if (mapping.end - mapping.begin > kLargestForeign) {
      foreign.complete = false;
      continue;
    }
    add_mapping(program, mapping, foreign);
    if (mapping.inode != 0) foreign.of_files.push_back({mapping.begin, mapping.end});
  }
  foreign.ranges = process::merged(std::move(foreign.ranges));
  foreign.of_files = process::merged(std::move(foreign.of_files));
  return foreign;
}

Result<std::vector<MemoryRange>> present_in(const goruntime::Program& program, const Foreign& foreign) {
  std::vector<MemoryRange> all = foreign.of_files;
  for (const MemoryRange& range : foreign.ranges) {
    const auto present = process::present_ranges(program.target().pid(), range);
    if (!present)
      return failure(
          fmt::format("pid {} ({}): cannot read /proc/PID/pagemap", program.target().pid(), program.target().exe()));
    all.insert(all.end(), present->begin(), present->end());
  }
  return process::merged(std::move(all));
}

}  // namespace gotrace::proof
