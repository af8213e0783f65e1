// The table of formats: a new one is one new file and one line here.
#include "report/report.h"

namespace gotrace::report {

const std::vector<Format>& formats() {
  static const std::vector<Format> kFormats = {
      {"text", "for people", render_text},
      {"json", "one JSON document, schema gotrace-leak/report/1", render_json},
      {"jsonl", "the same as JSON lines: a header, then one finding, group or site a line", render_jsonl},
  };
  return kFormats;
}

const Format* find_format(std::string_view name) {
  for (const auto& format : formats())
    if (format.name == name) return &format;
  return nullptr;
}

}  // namespace gotrace::report
