// FunctionTable: functions, lines and inlined frames from a Go program's pclntab, read in place. Needs no symbols and
// no DWARF. All formats from Go 1.15 (magic 0xfffffffb) to 1.27 (0xfffffff1); source: runtime/symtab.go,
// debug/gosym/pclntab.go of each release. The bytes are the target's: every offset is checked, a damaged entry costs
// that entry.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_reader.h"
#include "records/record.h"

namespace gotrace::goruntime {

// All addresses here are link-time ones.
struct FunctionRange {
  std::uint64_t entry = 0;
  std::uint64_t end = 0;         // entry of the next function
  std::string_view name;         // points into the table
  std::uint8_t function_id = 0;  // runtime funcID; wrapper functions are known by it
  friend bool operator==(const FunctionRange&, const FunctionRange&) = default;
};

// Which words of a function's frame hold pointers while a call that it made has not returned, as the garbage collector
// knows it.
struct FrameMaps {
  struct Object {             // a variable whose address is taken: pointers lead to it, or it does not count
    std::int32_t offset = 0;  // from the end of the locals when negative, else from the arguments
    std::uint32_t size = 0;   // bytes
  };
  std::vector<bool> locals;     // of the words up to the end of the locals
  std::vector<bool> arguments;  // of the words from the arguments on
  std::vector<Object> objects;
};

class FunctionTable {
 public:
  virtual ~FunctionTable() = default;
  [[nodiscard]] virtual std::size_t size() const = 0;
  // The function that is called `name`; of an ABI0 wrapper and its ABIInternal twin the latter (the one that is no
  // wrapper).
  [[nodiscard]] virtual std::optional<FunctionRange> find(std::string_view name) const = 0;
  // All functions whose name begins with `prefix`.
  [[nodiscard]] virtual std::vector<FunctionRange> find_prefix(std::string_view prefix) const = 0;
  [[nodiscard]] virtual std::optional<FunctionRange> containing(std::uint64_t pc) const = 0;
  // Frames at `pc`, innermost first, inlined calls expanded; wrapper functions that Go's own traces hide are left out
  // unless they are all there is. For a return address pass address - 1. Empty when pc is in no function.
  [[nodiscard]] virtual std::vector<Frame> frames(std::uint64_t pc) const = 0;
  // Bytes from the stack pointer to the return address at `pc` (pcsp table); nullopt: unknown.
  [[nodiscard]] virtual std::optional<std::int32_t> stack_delta(std::uint64_t pc) const = 0;
  // Of the call before `pc` + 1; nullopt: not known, so that each word may hold one.
  [[nodiscard]] virtual std::optional<FrameMaps> frame_maps(std::uint64_t) const { return std::nullopt; }
  // Bytes behind the return address that belong to the function at `pc`: its arguments and results, and where it keeps
  // those that come in registers; 0: none, or unknown.
  [[nodiscard]] virtual std::uint32_t argument_bytes(std::uint64_t) const { return 0; }
};

}  // namespace gotrace::goruntime
