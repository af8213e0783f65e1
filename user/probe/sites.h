// Where in a Go function a probe goes. Not to its entry: the entry's `cmp` is single-stepped out of line, three to
// twenty times dearer than an instruction that the kernel emulates, and is run again whenever the stack grows.
//
//   Go >= 1.21      cmp 0x10(%r14),%rsp ; jbe ; push %rbp  <- here
//   Go 1.17..1.20   cmp 0x10(%r14),%rsp ; jbe  <- here, taken branches are dropped ; sub $n,%rsp
//
// At both, argument registers, r14 = g and [rsp] = return address are intact, and rbp is still the caller's.
#pragma once

#include <cstdint>
#include <vector>

#include "base/byte_reader.h"
#include "base/result.h"

namespace gotrace::probe {

enum class SiteKind : std::uint8_t {
  push_frame,          // `push %rbp`: emulated by the kernel
  stack_check_branch,  // `jbe`: emulated; a hit whose branch is taken comes again and must be dropped
  stepped,             // the entry of a function without stack check or frame: single-stepped
};

struct Site {
  std::uint64_t offset = 0;  // bytes from the function's entry
  SiteKind kind = SiteKind::stepped;
  friend bool operator==(const Site&, const Site&) = default;
};

// ABIInternal on amd64, with g and arguments in registers, came with Go 1.17.
constexpr int kFirstProbedMinor = 17;

// `code`: all of the function, from its entry. `go_minor`: 24 for Go 1.24; at least kFirstProbedMinor. Bytes that are
// no code of a known shape are an error.
[[nodiscard]] Result<Site> choose_site(Bytes code, int go_minor);

// Offsets in `code`, which lies at link-time `address`, of the instructions behind its direct calls of `callee`: what
// that returned is in rax there. Empty when it is not called, or when the code can't be decoded up to its end.
[[nodiscard]] std::vector<std::uint64_t> behind_calls(Bytes code, std::uint64_t address, std::uint64_t callee);

}  // namespace gotrace::probe
