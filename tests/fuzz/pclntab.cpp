// Any bytes as a function table: opened or refused, never a crash, a hang or a read outside.
#include "goruntime/pclntab.h"

#include <cstddef>
#include <cstdint>
#include <span>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gotrace;
  constexpr std::uint64_t kText = 0x401000;   // as in tests/unit/goruntime/pclntab_builder.h
  constexpr std::uint64_t kTrees = 0x900000;  // inline trees: read from the end of the same bytes
  constexpr std::size_t kTreeBytes = 256;
  const Bytes bytes = std::as_bytes(std::span(data, size));
  goruntime::PclnSource source;
  source.table = bytes;
  source.text = kText;
  source.go_func = kTrees;
  source.wrapper_id = 23;
  source.image = [bytes](std::uint64_t address, std::uint64_t length) -> std::optional<Bytes> {
    if (address < kTrees || bytes.size() < kTreeBytes) return std::nullopt;
    return slice(bytes.last(kTreeBytes), address - kTrees, length);
  };
  const auto table = goruntime::PclnTable::open(std::move(source));
  if (!table) return 0;
  for (std::uint64_t pc = kText - 1; pc < kText + 0x180; pc += 7) {
    (void)(*table)->frames(pc);
    (void)(*table)->stack_delta(pc);
    (void)(*table)->containing(pc);
  }
  (void)(*table)->find("main.twin");
  (void)(*table)->find_prefix("main.");
  return 0;
}
