// TargetLock: one `prove` at a time for each process. A second one would stop it again, and would clear what the kernel
// notes of its pages for the first.
#pragma once

#include "base/result.h"
#include "base/unique_fd.h"
#include "process/target.h"

namespace gotrace::process {

class TargetLock {
 public:
  // Of that very process, not of its number: the lock is on its directory in procfs. Given back when this ends, or when
  // we do. Error: another gotrace-leak holds it.
  [[nodiscard]] static Result<TargetLock> take(const Target& target);

 private:
  explicit TargetLock(UniqueFd directory) : directory_(std::move(directory)) {}
  UniqueFd directory_;
};

}  // namespace gotrace::process
