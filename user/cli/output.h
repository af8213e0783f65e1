// Where results go: stdout, or a file that is made safely.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace gotrace::cli {

// Writes all of `text` to stdout. False when nobody reads it any more (EPIPE).
[[nodiscard]] bool write_stdout(std::string_view text);
// Creates `path` 0600, never through a link, given to SUDO_UID; replaces an existing file only with `force`.
[[nodiscard]] Status write_file(const std::string& path, std::string_view text, bool force);
// "gotrace-leak: " + one line on stderr. A list may follow the first line.
void print_error(const Error& error);
void print_note(std::string_view line);
[[nodiscard]] int exit_code(ErrorKind kind);

}  // namespace gotrace::cli
