// The JSON values of the parts of an analysis, for the JSON report and for JSON lines. Contract: CONTRACT section 3 and
// include/gotrace/report.schema.json. Every key is always there, in a fixed order; null means "not known".
#pragma once

#include <nlohmann/json.hpp>

#include "detect/analysis.h"

namespace gotrace::report {

using Json = nlohmann::ordered_json;

inline constexpr const char* kReportSchema = "gotrace-leak/report/1";
inline constexpr int kReportSchemaMinor = 2;

[[nodiscard]] Json json_header(const detect::Analysis& analysis);  // schema, tool, summary, target, window
[[nodiscard]] Json json_sources(const detect::Analysis& analysis);
[[nodiscard]] Json json_overhead(const detect::Analysis& analysis);
[[nodiscard]] Json json_memory(const detect::Analysis& analysis);
[[nodiscard]] Json json_creation_site(const detect::CreationSite& site);
[[nodiscard]] Json json_group(const detect::GoroutineGroup& group);
[[nodiscard]] Json json_call_site(const detect::CallSite& site);
[[nodiscard]] Json json_finding(const detect::Finding& finding);
[[nodiscard]] Json json_proof(const detect::Analysis& analysis);    // null: none was tried
[[nodiscard]] Json json_holders(const detect::Analysis& analysis);  // null: not looked for
[[nodiscard]] Json json_frame(const std::optional<Frame>& frame);

// One value as text; indent -1: on one line. Bytes that are no UTF-8 (names of the target) become U+FFFD.
[[nodiscard]] std::string dump(const Json& value, int indent);

template <typename T>
[[nodiscard]] Json json_optional(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

}  // namespace gotrace::report
