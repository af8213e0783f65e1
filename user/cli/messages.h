// What is said on stderr, and the exit codes (CONTRACT sections 1 and 2).
#pragma once

#include <string_view>

#include "base/result.h"

namespace gotrace::cli {

enum ExitCode : int {
  kDone = 0,
  kFailed = 1,
  kUsage = 2,
  kFound = 3,      // --fail-on is met
  kNotJudged = 4,  // --fail-on could not be judged
  kNoTarget = 5,
  kNotPermitted = 6,
  kClosedStdout = 141,  // as a shell reports SIGPIPE
};

[[nodiscard]] int exit_code(ErrorKind kind);

// "gotrace-leak: TEXT", one line.
void say(std::string_view text);
void warn(std::string_view text);  // "gotrace-leak: warning: TEXT"
// Says the error and returns its exit code.
int fail(const Error& error);

}  // namespace gotrace::cli
