#include "cli/messages.h"

#include <fmt/format.h>

#include <cstdio>

#include "base/units.h"

namespace gotrace::cli {

int exit_code(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::failed:
      return kFailed;
    case ErrorKind::usage:
      return kUsage;
    case ErrorKind::no_target:
      return kNoTarget;
    case ErrorKind::not_permitted:
      return kNotPermitted;
  }
  return kFailed;
}

void say(std::string_view text) {
  // Texts may quote the target or a file: one line, and nothing that drives the terminal.
  const auto line = fmt::format("gotrace-leak: {}\n", escape_for_terminal(text));
  std::fwrite(line.data(), 1, line.size(), stderr);
}

void warn(std::string_view text) { say(fmt::format("warning: {}", text)); }

int fail(const Error& error) {
  say(error.text);
  return exit_code(error.kind);
}

}  // namespace gotrace::cli
