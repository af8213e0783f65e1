// The one place that writes into another process: a single word, and only when the user asked for it (--assist).
#pragma once

#include <cstdint>
#include <memory>

#include "base/result.h"
#include "process/target.h"

namespace gotrace::process {

// Writes eight bytes at `address` when they hold `expected` now; anything else there is an error and is left alone.
// Not atomic against the target: of the values that this project writes only one byte differs from what was there.
[[nodiscard]] Status write_word(const Target& target, Address address, std::uint64_t expected, std::uint64_t value);

// Puts a word back when this process ends without having done so, kill -9 included: a child of ours, with nothing open
// but a pipe to us and the target's pidfd, waits for our end. To be started before anything is attached to the target,
// since a child would keep it attached.
class RestoreGuard {
 public:
  // `ours` is replaced by `old`, if the target still lives and the word is still ours.
  [[nodiscard]] static Result<std::unique_ptr<RestoreGuard>> start(const Target& target, Address address,
                                                                   std::uint64_t ours, std::uint64_t old);
  RestoreGuard(const RestoreGuard&) = delete;
  RestoreGuard& operator=(const RestoreGuard&) = delete;
  ~RestoreGuard();  // the word has been put back: nothing is left to be done

 private:
  RestoreGuard(pid_t child, UniqueFd pipe) : child_(child), pipe_(std::move(pipe)) {}
  pid_t child_;
  UniqueFd pipe_;
};

}  // namespace gotrace::process
