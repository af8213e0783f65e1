#include "report/page.h"

#include <algorithm>

#include "base/units.h"

namespace gotrace::report {

namespace {

constexpr std::size_t kNarrowest = 40;
constexpr std::size_t kWidest = 400;

// Bytes of the UTF-8 character that begins with `lead`; names were escaped before, so they are valid.
std::size_t sequence_length(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xf0) return 4;
  if (lead >= 0xe0) return 3;
  return lead >= 0xc0 ? 2 : 1;
}

char32_t decode(std::string_view sequence) {
  const auto lead = static_cast<unsigned char>(sequence.front());
  static constexpr unsigned char kLeadMask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
  char32_t point = lead & kLeadMask[std::min<std::size_t>(sequence.size(), 4)];
  for (const char byte : sequence.substr(1)) point = (point << 6) | (static_cast<unsigned char>(byte) & 0x3f);
  return point;
}

// Unicode's East_Asian_Width W and F, in blocks: Hangul Jamo, CJK, kana, Hangul, full-width forms, emoji.
bool is_wide(char32_t point) {
  return (point >= 0x1100 && point <= 0x115f) || (point >= 0x2e80 && point <= 0xa4cf) ||
         (point >= 0xac00 && point <= 0xd7a3) || (point >= 0xf900 && point <= 0xfaff) ||
         (point >= 0xfe30 && point <= 0xfe6f) || (point >= 0xff00 && point <= 0xff60) ||
         (point >= 0xffe0 && point <= 0xffe6) || (point >= 0x1f300 && point <= 0x1faff) ||
         (point >= 0x20000 && point <= 0x3fffd);
}

// Bytes of `text` that fit into `room` columns; at least one character when there is any.
std::size_t fitting_bytes(std::string_view text, std::size_t room) {
  std::size_t at = 0, used = 0;
  while (at < text.size()) {
    const auto length = std::min(sequence_length(static_cast<unsigned char>(text[at])), text.size() - at);
    const std::size_t wide = is_wide(decode(text.substr(at, length))) ? 2 : 1;
    if (used + wide > room && at > 0) break;
    used += wide;
    at += length;
    if (used >= room) break;
  }
  return at;
}

const char* escape_of(Style style) {
  switch (style) {
    case Style::bold:
      return "\x1b[1m";
    case Style::red:
      return "\x1b[1;31m";
    case Style::yellow:
      return "\x1b[1;33m";
    case Style::green:
      return "\x1b[1;32m";
    case Style::none:
      break;
  }
  return "";
}

// The next line of `rest`: as many words as fit into `room`, taken off `rest`.
std::string_view take_line(std::string_view& rest, std::size_t room) {
  const std::size_t fits = fitting_bytes(rest, room);
  if (fits >= rest.size()) return std::exchange(rest, {});
  std::size_t cut = rest.rfind(' ', fits);
  if (cut == std::string_view::npos || cut == 0) cut = fits;
  const auto line = rest.substr(0, cut);
  rest.remove_prefix(cut);
  while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
  return line;
}

}  // namespace

std::size_t columns(std::string_view text) {
  std::size_t at = 0, used = 0;
  while (at < text.size()) {
    const auto length = std::min(sequence_length(static_cast<unsigned char>(text[at])), text.size() - at);
    used += is_wide(decode(text.substr(at, length))) ? 2 : 1;
    at += length;
  }
  return used;
}

std::string shorten(std::string_view text, std::size_t width) {
  if (columns(text) <= width) return std::string(text);
  if (width < 5) return std::string(text.substr(0, fitting_bytes(text, width)));
  // The end of a Go name says more than its beginning (the package path).
  const std::size_t head = (width - 2) / 3;
  const std::size_t tail = width - 2 - head;
  std::size_t begin = text.size();
  while (begin > 0) {
    std::size_t before = begin - 1;
    while (before > 0 && (static_cast<unsigned char>(text[before]) & 0xc0) == 0x80) --before;
    if (columns(text.substr(before)) > tail) break;
    begin = before;
  }
  return std::string(text.substr(0, fitting_bytes(text, head))) + ".." + std::string(text.substr(begin));
}

std::string pad_right(std::string text, std::size_t width) {
  const std::size_t used = columns(text);
  if (used < width) text.append(width - used, ' ');
  return text;
}

std::string pad_left(std::string text, std::size_t width) {
  const std::size_t used = columns(text);
  if (used < width) text.insert(0, width - used, ' ');
  return text;
}

Page::Page(const ReportOptions& options)
    : options_(options),
      width_(std::clamp(static_cast<std::size_t>(std::max(options.width, 0)), kNarrowest, kWidest)) {}

std::string Page::name(std::string_view untrusted, std::size_t longest) const {
  // Escaping first: what is cut then is text that is safe already.
  return shorten(escape_for_terminal(untrusted.substr(0, 4 * longest), !options_.utf8), longest);
}

void Page::blank() { out_ += '\n'; }

void Page::emit(std::string_view line, Style style, std::size_t styled) {
  if (!options_.color || style == Style::none || styled == 0) {
    out_ += line;
  } else {
    const std::size_t end = std::min(styled, line.size());
    const std::size_t begin = std::min(line.find_first_not_of(' '), end);
    out_ += line.substr(0, begin);
    out_ += escape_of(style);
    out_ += line.substr(begin, end - begin);
    out_ += "\x1b[0m";
    out_ += line.substr(end);
  }
  out_ += '\n';
}

void Page::paragraph(std::string_view prefix, std::size_t indent, std::string_view text, Style style,
                     std::size_t styled) {
  std::string begin(prefix);
  std::size_t done = 0;  // bytes of prefix and text that were printed before this line
  do {
    const std::size_t used = columns(begin);
    const auto line = take_line(text, used < width_ ? width_ - used : 1);
    std::string whole = begin + std::string(line);
    while (!whole.empty() && whole.back() == ' ') whole.pop_back();
    emit(whole, style, styled > done ? styled - done : 0);
    done += whole.size();
    begin.assign(std::min(indent, width_ / 2), ' ');
  } while (!text.empty());
}

void Page::row(std::string_view text, Style style) {
  auto line = std::string(text.substr(0, fitting_bytes(text, width_)));
  while (!line.empty() && line.back() == ' ') line.pop_back();
  emit(line, style, line.size());
}

void Page::command(std::size_t indent, std::string_view text) {
  std::string begin(indent, ' ');
  while (columns(begin) + columns(text) > width_) {
    const auto line = take_line(text, width_ - columns(begin) - 2);
    if (text.empty()) {
      out_ += begin + std::string(line) + '\n';
      return;
    }
    out_ += begin + std::string(line) + " \\\n";
    begin.assign(indent + 2, ' ');
  }
  out_ += begin + std::string(text) + '\n';
}

}  // namespace gotrace::report
