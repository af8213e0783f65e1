// Reports: an analysis, printed. One file a format; a new format is one new file and one line in formats.cpp.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "detect/analysis.h"

namespace gotrace::report {

struct ReportOptions {
  int width = 80;
  bool color = false;
  bool utf8 = false;
  bool all = false;      // every group and call site
  bool ongoing = false;  // the session goes on: an end that is missing is none
};

struct Format {
  std::string_view name;  // as --format names it
  std::string_view help;
  std::string (*render)(const detect::Analysis& analysis, const ReportOptions& options);
};
[[nodiscard]] const std::vector<Format>& formats();
[[nodiscard]] const Format* find_format(std::string_view name);

[[nodiscard]] std::string render_text(const detect::Analysis& analysis, const ReportOptions& options);
[[nodiscard]] std::string render_json(const detect::Analysis& analysis, const ReportOptions& options);
[[nodiscard]] std::string render_jsonl(const detect::Analysis& analysis, const ReportOptions& options);
// The short live screen (no alternate screen handling here: just the lines).
[[nodiscard]] std::string render_screen(const detect::Analysis& analysis, const ReportOptions& options, int height);
// `explain`: one finding in full; an Error when there is none of that id (ids that there are, listed).
[[nodiscard]] Result<std::string> render_finding(const detect::Analysis& analysis, std::string_view id,
                                                 const ReportOptions& options);

}  // namespace gotrace::report
