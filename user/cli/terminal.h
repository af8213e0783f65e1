// The terminal that we may be on: its size, its keys, and a screen that is painted in place.
#pragma once

#include <termios.h>

#include <optional>
#include <string>

#include "report/report.h"

namespace gotrace::cli {

[[nodiscard]] bool stdout_is_terminal();
[[nodiscard]] bool stdin_is_terminal();

struct TerminalSize {
  int width = 80;
  int height = 24;
};
[[nodiscard]] TerminalSize terminal_size();

// Width, colour and UTF-8 for a report. `to_terminal`: it goes to stdout and that is a terminal.
[[nodiscard]] report::ReportOptions report_options(bool to_terminal, std::optional<int> width, bool all);

// Keys one by one and unseen, until destroyed; Ctrl-C and Ctrl-Z stay signals. A second signal restores it as well.
class RawKeys {
 public:
  RawKeys() = default;
  RawKeys(const RawKeys&) = delete;
  RawKeys& operator=(const RawKeys&) = delete;
  ~RawKeys() { restore(); }
  void set();
  void restore();

 private:
  std::optional<termios> saved_;
};

// Paints over what it painted last; what stood above stays.
class Screen {
 public:
  void paint(const std::string& lines);
  void clear();   // takes the painted lines away
  void forget();  // leaves them there; the next paint begins below

 private:
  std::size_t painted_ = 0;  // lines
};

}  // namespace gotrace::cli
