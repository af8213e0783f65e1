// Page: lines of a text report, wrapped to a width. Knows columns and words, nothing of leaks.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "records/record.h"
#include "report/report.h"

namespace gotrace::report {

enum class Style : std::uint8_t { none, bold, red, yellow, green };

// Columns that `text` takes on a terminal: one a code point, two for East Asian wide characters.
[[nodiscard]] std::size_t columns(std::string_view text);
// `text` cut to `width` columns, ".." in its middle standing for what was left out.
[[nodiscard]] std::string shorten(std::string_view text, std::size_t width);
// `text` followed (left) or preceded (right) by spaces up to `width` columns.
[[nodiscard]] std::string pad_right(std::string text, std::size_t width);
[[nodiscard]] std::string pad_left(std::string text, std::size_t width);

class Page {
 public:
  explicit Page(const ReportOptions& options);

  [[nodiscard]] std::size_t width() const { return width_; }
  [[nodiscard]] const ReportOptions& options() const { return options_; }
  // A name from the target, escaped for this page's terminal, and cut in the middle when absurdly long.
  [[nodiscard]] std::string name(std::string_view untrusted, std::size_t longest = 300) const;

  void blank();
  // `text` broken at spaces; the first line after `prefix`, the others indented by `indent` columns. A word that is
  // wider than the room is broken anywhere. The first `styled` bytes of `prefix` + `text` are shown in `style`.
  void paragraph(std::string_view prefix, std::size_t indent, std::string_view text, Style style = Style::none,
                 std::size_t styled = 0);
  // One line of a table, cut at the page's width.
  void row(std::string_view text, Style style = Style::none);
  // A command to copy: broken like a paragraph, but the continued lines end in a backslash so that it can be pasted.
  void command(std::size_t indent, std::string_view text);

  [[nodiscard]] std::string take() { return std::move(out_); }

 private:
  void emit(std::string_view line, Style style, std::size_t styled);

  ReportOptions options_;
  std::size_t width_;
  std::string out_;
};

}  // namespace gotrace::report
