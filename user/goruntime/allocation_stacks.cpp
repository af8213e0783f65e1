#include "goruntime/allocation_stacks.h"

namespace gotrace::goruntime {
namespace {

constexpr int kMostSpecials = 256;           // of one span
constexpr std::uint64_t kMostFrames = 1024;  // GODEBUG=profstackdepth can't be larger (Go 1.23, runtime/mprof.go)
constexpr std::uint64_t kMemoryProfile = 1;  // bucketType memProfile

// runtime/mheap.go, _KindSpecialProfile: renumbered in 1.23 (weak handles) and 1.25 (tiny blocks).
std::uint8_t profile_kind(int minor) { return minor >= 25 ? 4 : minor >= 23 ? 3 : 2; }

StackId stack_of_bucket(const Program& program, Symbolizer& symbolizer, process::Address bucket) {
  const auto& layout = program.layout().bucket;
  auto& memory = program.target().memory();
  const auto header = layout.size != 0 ? memory.block(bucket, layout.size) : std::nullopt;
  if (!header || !layout.nstk.present() || !layout.typ.present()) return StackId::none;
  const auto frames = load_or_zero<std::uint64_t>(*header, layout.nstk.offset);
  if (frames == 0 || frames > kMostFrames || load_or_zero<std::uint64_t>(*header, layout.typ.offset) != kMemoryProfile)
    return StackId::none;
  std::vector<process::Address> pcs(static_cast<std::size_t>(frames));
  if (!memory.read(bucket + layout.size, std::as_writable_bytes(std::span(pcs)))) return StackId::none;
  return symbolizer.logical_stack(pcs);
}

}  // namespace

ObjectSpecials read_specials(const Program& program, Symbolizer& symbolizer, const SpanView& span,
                             process::Address base) {
  const auto& fields = program.layout().special;
  const auto& profile = program.layout().specialprofile;
  auto& memory = program.target().memory();
  ObjectSpecials found;
  if (fields.size == 0 || !fields.next.present()) return found;
  process::Address at = span.specials;
  for (int i = 0; i < kMostSpecials && at != 0; ++i) {
    const auto bytes = memory.block(at, std::max(fields.size, profile.size));
    if (!bytes) break;
    const std::uint64_t offset = fields.offset.size == 2 ? load_or_zero<std::uint16_t>(*bytes, fields.offset.offset)
                                                         : load_or_zero<std::uint64_t>(*bytes, fields.offset.offset);
    const auto kind = load_or_zero<std::uint8_t>(*bytes, fields.kind.offset);
    at = load_or_zero<process::Address>(*bytes, fields.next.offset);
    if (offset < base - span.base || offset - (base - span.base) >= span.element_size) continue;
    if (kind != profile_kind(program.layout().minor)) {
      found.use = SpecialUse::other;
      continue;
    }
    if (found.use == SpecialUse::none) found.use = SpecialUse::sampled;
    if (profile.b.present())
      found.allocated_at =
          stack_of_bucket(program, symbolizer, load_or_zero<process::Address>(*bytes, profile.b.offset));
  }
  return found;
}

}  // namespace gotrace::goruntime
