// Text that somebody else wrote, made safe to print on a terminal.
#pragma once

#include <string>
#include <string_view>

namespace gotrace {

// Names from the target are untrusted: each byte of a control character, of invalid UTF-8, and of a character that
// reorders or hides text (bidi controls, zero-width characters, line separators) becomes \xNN. All else stays as it
// is, so a plain name is returned unchanged. `ascii_only`: every byte that is not ASCII becomes \xNN as well.
[[nodiscard]] std::string escape_for_terminal(std::string_view text, bool ascii_only = false);

}  // namespace gotrace
