#include "cli/terminal.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "cli/signals.h"

namespace gotrace::cli {

namespace {

// As setlocale would decide: LC_ALL, LC_CTYPE, LANG; the first that is set counts.
bool utf8_locale() {
  for (const char* variable : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(variable);
    if (value == nullptr || *value == '\0') continue;
    std::string name(value);
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return name.find("utf-8") != std::string::npos || name.find("utf8") != std::string::npos;
  }
  return false;
}

bool color_wanted() {  // https://no-color.org
  const char* no_color = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  const bool dumb = terminal == nullptr || std::string_view(terminal) == "dumb";
  return (no_color == nullptr || *no_color == '\0') && !dumb;
}

void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

}  // namespace

bool stdout_is_terminal() { return ::isatty(STDOUT_FILENO) == 1; }
bool stdin_is_terminal() { return ::isatty(STDIN_FILENO) == 1; }

TerminalSize terminal_size() {
  winsize size{};
  TerminalSize result;
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return result;
  if (size.ws_col > 0) result.width = size.ws_col;
  if (size.ws_row > 0) result.height = size.ws_row;
  return result;
}

report::ReportOptions report_options(bool to_terminal, std::optional<int> width, bool all) {
  report::ReportOptions options;
  options.width = width.value_or(to_terminal ? terminal_size().width : 80);
  options.color = to_terminal && color_wanted();
  options.utf8 = utf8_locale();
  options.all = all;
  return options;
}

void RawKeys::set() {
  termios now{};
  if (!stdin_is_terminal() || ::tcgetattr(STDIN_FILENO, &now) != 0) return;
  if (!saved_) saved_ = now;
  Signals::restore_terminal_on_exit(&*saved_);
  now.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
  now.c_cc[VMIN] = 1;
  now.c_cc[VTIME] = 0;
  ::tcsetattr(STDIN_FILENO, TCSANOW, &now);
}

void RawKeys::restore() {
  if (!saved_) return;
  ::tcsetattr(STDIN_FILENO, TCSANOW, &*saved_);
  Signals::restore_terminal_on_exit(nullptr);
  saved_.reset();
}

void Screen::paint(const std::string& lines) {
  // "\x1b[nA": n lines up; "\x1b[J": clear from here on (ECMA-48 CUU, ED).
  const std::string back = painted_ > 0 ? fmt::format("\x1b[{}A\r\x1b[J", painted_) : "";
  print(back + lines);
  painted_ = static_cast<std::size_t>(std::count(lines.begin(), lines.end(), '\n'));
}

void Screen::clear() {
  if (painted_ > 0) print(fmt::format("\x1b[{}A\r\x1b[J", painted_));
  painted_ = 0;
}

void Screen::forget() { painted_ = 0; }

}  // namespace gotrace::cli
