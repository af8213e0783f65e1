// The few things that the recipes for finding globals want to know of machine code (amd64).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/byte_reader.h"

namespace gotrace::goruntime {

struct Instruction {
  enum class Kind : std::uint8_t {
    load,               // mov register, memory
    store,              // mov memory, register or immediate
    address,            // lea
    compare,            // cmp with memory
    compare_immediate,  // cmp register, immediate
    increment,          // inc memory
    exchange_add,       // xadd memory, register
    other,
  };
  Kind kind = Kind::other;
  std::uint8_t bits = 0;                // of the operation
  std::optional<std::uint64_t> target;  // link-time address of a RIP-relative operand
  std::uint32_t result_register = 0;    // what lea writes; capstone's number
  std::uint32_t base_register = 0;      // of a memory operand without displacement or index
  std::int64_t immediate = 0;           // of compare_immediate
};

// `code` lies at link-time `address`. Decoding ends at the first bytes that are no instruction. Code beyond 64 KiB is
// not looked at.
[[nodiscard]] std::vector<Instruction> decode(Bytes code, std::uint64_t address);

}  // namespace gotrace::goruntime
