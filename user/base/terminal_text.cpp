#include "base/terminal_text.h"

#include <cstddef>
#include <cstdint>

namespace gotrace {
namespace {

struct CodePoint {
  char32_t value = 0;
  std::size_t length = 0;  // 0: invalid UTF-8
};

std::uint8_t byte_at(std::string_view text, std::size_t i) { return static_cast<std::uint8_t>(text[i]); }

// The shape of a sequence by its first byte; overlong forms, surrogates and values past U+10FFFF are refused below.
CodePoint decode(std::string_view text) {
  const std::uint8_t first = byte_at(text, 0);
  if (first < 0x80) return {first, 1};
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return {};
  char32_t value = first & (0xffU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    const std::uint8_t next = byte_at(text, i);
    if ((next & 0xc0) != 0x80) return {};
    value = (value << 6) | (next & 0x3fU);
  }
  const bool overlong = (length == 3 && value < 0x800) || (length == 4 && value < 0x10000);
  const bool surrogate = value >= 0xd800 && value <= 0xdfff;
  if (overlong || surrogate || value > 0x10ffff) return {};
  return {value, length};
}

// Unicode 15: Cc, the bidi controls, and default-ignorable characters that hide or reorder what stands beside them.
bool deceives(char32_t c) {
  if (c < 0x20 || (c >= 0x7f && c <= 0x9f)) return true;                          // control characters
  if (c == 0xad || c == 0x61c || c == 0x180e || c == 0xfeff) return true;         // soft hyphen, ALM, MVS, BOM
  if ((c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e)) return true;  // zero width, marks, embeddings
  return (c >= 0x2060 && c <= 0x206f) || (c >= 0xe0000 && c <= 0xe0fff);          // isolates, invisible operators, tags
}

void append_escaped(std::string& out, std::uint8_t byte) {
  constexpr std::string_view digits = "0123456789abcdef";
  out += "\\x";
  out += digits[byte >> 4];
  out += digits[byte & 0xf];
}

}  // namespace

std::string escape_for_terminal(std::string_view text, bool ascii_only) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const CodePoint c = decode(text);
    const std::size_t length = c.length == 0 ? 1 : c.length;
    const bool keep = c.length != 0 && !deceives(c.value) && (c.value < 0x80 || !ascii_only);
    if (keep) {
      out += text.substr(0, length);
    } else {
      for (std::size_t i = 0; i < length; ++i) append_escaped(out, byte_at(text, i));
    }
    text.remove_prefix(length);
  }
  return out;
}

}  // namespace gotrace
