#include "proof/memory_need.h"

#include <fmt/format.h>

#include "base/units.h"
#include "goruntime/heap_arenas.h"
#include "process/own_memory.h"
#include "proof/captured_heap.h"
#include "proof/copying.h"

namespace gotrace::proof {
namespace {

constexpr std::uint64_t kMarkingBytes = 24;  // a slot of the heap: see Marker, and References
constexpr std::uint64_t kUsableShare = 10;   // all but one of so many parts of what is free

std::string bytes_text(std::uint64_t bytes) { return format_bytes(static_cast<double>(bytes)); }

bool fits(std::uint64_t bytes, std::uint64_t free) { return bytes <= free - free / kUsableShare; }

}  // namespace

MemoryNeed memory_need(std::span<const goruntime::SpanView> spans, std::uint64_t foreign) {
  MemoryNeed need{.copy = foreign};
  for (const goruntime::SpanView& span : spans) {
    if (is_copied(span)) need.copy += span.pages * goruntime::kHeapPage;
    if (span.in_use()) need.marking += span.elements * kMarkingBytes;
  }
  return need;
}

Status check_memory(const goruntime::Program& program, const MemoryNeed& need, const std::string& folder) {
  const std::uint64_t in_memory = need.marking + (folder.empty() ? need.copy : 0);
  const auto memory = process::free_memory();
  if (memory && !fits(in_memory, memory->bytes))
    return failure(fmt::format("{}the proof would take up to {} of memory, and {} are free {}; it was not stopped; {}",
                               about(program), bytes_text(in_memory), bytes_text(memory->bytes), memory->where,
                               folder.empty() ? "let the copy lie on disk: --snapshot-dir DIR" : "free some"));
  const auto disk = folder.empty() ? std::nullopt : process::free_on_disk(folder);
  if (disk && !fits(need.copy, *disk))
    return failure(
        fmt::format("{}the copy of its memory would take {}, and {} are free in {}; it was not stopped; name another "
                    "--snapshot-dir",
                    about(program), bytes_text(need.copy), bytes_text(*disk), folder));
  return success();
}

std::string why_no_memory(std::uint64_t bytes) {
  const auto memory = process::free_memory();
  if (!memory || fits(bytes, memory->bytes)) return {};
  return fmt::format("it would take up to {} of memory, and {} are free {}", bytes_text(bytes),
                     bytes_text(memory->bytes), memory->where);
}

}  // namespace gotrace::proof
