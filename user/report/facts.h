// Facts: short phrases about an analysis that several formats share. Plain text; names of the target are not escaped
// here unless a Page is given.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "detect/analysis.h"
#include "report/page.h"

namespace gotrace::report {

// "2026-11-23T03:07:12Z" and "2026-11-23 03:07:12 UTC" of CLOCK_REALTIME nanoseconds.
[[nodiscard]] std::string rfc3339(std::int64_t wall_ns);
[[nodiscard]] std::string utc_date_time(std::int64_t wall_ns);
// "02:20 UTC", with the date in front when `reference_ns` is of another day.
[[nodiscard]] std::string utc_minute(std::int64_t wall_ns, std::int64_t reference_ns);

// "10.0" of a measured stretch of time in seconds.
[[nodiscard]] std::string one_decimal(double value);
// "10.0 s"
[[nodiscard]] std::string window_seconds(double seconds);

// Last element of a path: "orderd". "?" when empty.
[[nodiscard]] std::string base_name(std::string_view path);
// "orderd/quote.go:88": the last two elements of the file's path, and the line. Empty when no file is known.
[[nodiscard]] std::string place(const Frame& frame);
// As `function`, but with only the last element of a package path that is not the standard library's.
[[nodiscard]] std::string short_function(const Frame& frame);

// "+5.0/s" and " (4.7-5.3)"; bytes: "+1.0 MiB/s", both in the unit of the value.
[[nodiscard]] std::string rate_value(double per_second, bool bytes);
[[nodiscard]] std::string rate_interval(const detect::Rate& rate, bool bytes);

// "in about 10 min (8-12 min)"; "not before 8 min" without an upper end; nullopt when not in sight.
[[nodiscard]] std::optional<std::string> time_to_limit(const detect::LimitForecast& limit);

// "orderd (pid 4242)"
[[nodiscard]] std::string subject(const detect::Analysis& analysis, const Page& page);
// The first sentence of every report.
[[nodiscard]] std::string headline(const detect::Analysis& analysis, const Page& page);
// What a check answers, in plain words: "which call site grows".
[[nodiscard]] std::string check_question(std::string_view check);

// summary.not_checked, with what has the same reason and remedy together.
struct MissingChecks {
  std::vector<std::string> checks;
  std::string reason, fix;
};
[[nodiscard]] std::vector<MissingChecks> not_checked_by_reason(const detect::Analysis& analysis);

// Age of the process at the end of the window; nullopt when its start is not known.
[[nodiscard]] std::optional<double> uptime_seconds(const detect::Analysis& analysis);
[[nodiscard]] std::int64_t end_wall_ns(const detect::Analysis& analysis);

// Share of one CPU core that the probes took from the target; nullopt: not measured.
[[nodiscard]] std::optional<double> probe_cost(const detect::Analysis& analysis);

[[nodiscard]] const SourceState* find_source(const detect::Analysis& analysis, std::string_view name);
[[nodiscard]] bool target_exited(const detect::Analysis& analysis);

}  // namespace gotrace::report
