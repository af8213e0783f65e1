#include "report/facts.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "base/units.h"

namespace gotrace::report {

namespace {

struct Calendar {
  int year = 0;
  unsigned month = 0, day = 0;
  std::int64_t hour = 0, minute = 0, second = 0;
};

Calendar calendar(std::int64_t wall_ns) {
  using std::chrono::days;
  const std::chrono::sys_time<std::chrono::nanoseconds> time{std::chrono::nanoseconds(wall_ns)};
  const auto midnight = std::chrono::floor<days>(time);
  const std::chrono::year_month_day date{midnight};
  const std::chrono::hh_mm_ss clock{std::chrono::floor<std::chrono::seconds>(time - midnight)};
  return {static_cast<int>(date.year()),     static_cast<unsigned>(date.month()),
          static_cast<unsigned>(date.day()), clock.hours().count(),
          clock.minutes().count(),           clock.seconds().count()};
}

struct Scale {
  double divisor;
  const char* unit;
};
Scale byte_scale(double bytes) {
  const double size = std::fabs(bytes);
  if (size >= 1024.0 * 1024 * 1024) return {1024.0 * 1024 * 1024, "GiB"};
  if (size >= 1024.0 * 1024) return {1024.0 * 1024, "MiB"};
  if (size >= 1024.0) return {1024.0, "KiB"};
  return {1, "B"};
}

// Times to a limit are estimates: one unit is enough.
std::pair<double, const char*> time_scale(double seconds) {
  if (seconds >= 2 * 86400.0) return {86400.0, "days"};
  if (seconds >= 2 * 3600.0) return {3600.0, "h"};
  if (seconds >= 120) return {60.0, "min"};
  return {1.0, "s"};
}

std::size_t count_of(const detect::Analysis& analysis, bool sure) {
  return static_cast<std::size_t>(std::count_if(
      analysis.findings.begin(), analysis.findings.end(),
      [sure](const detect::Finding& finding) { return (finding.verdict >= detect::Verdict::leaking) == sure; }));
}

std::string limit_sentence(const detect::Analysis& analysis) {
  if (analysis.memory.limits.empty()) return "";
  const auto& limit = analysis.memory.limits.front();
  const auto when = time_to_limit(limit);
  if (!when) return "";
  return fmt::format(" {} {}.", limit.kind == LimitKind::gomemlimit ? "GOMEMLIMIT" : "Memory limit", *when);
}

std::string leak_headline(const detect::Analysis& analysis, const Page& page) {
  const std::size_t leaks = count_of(analysis, true), suspected = count_of(analysis, false);
  const bool growing = std::any_of(analysis.findings.begin(), analysis.findings.end(), [](const auto& finding) {
    return finding.verdict >= detect::Verdict::leaking && finding.trend == detect::Trend::growing;
  });
  std::string text = fmt::format("{} LEAK{}{} in {}", leaks, leaks == 1 ? "" : "S", growing ? " GROWING" : "",
                                 subject(analysis, page));
  if (suspected > 0) text += fmt::format(", {} more suspected", suspected);
  return text + "." + limit_sentence(analysis);
}

// Of `prove`: goroutines that are stuck for good, and what small references keep.
std::string proof_headline(const detect::Analysis& analysis, const Page& page) {
  const Proof& proof = *analysis.proof;
  if (!proof.off.empty())
    return fmt::format("NOTHING CAN BE PROVED of {}: {}.", subject(analysis, page), page.name(proof.off));
  std::size_t stuck = 0, partly_used = 0, suspected = 0;
  double kept = 0;
  for (const detect::Finding& finding : analysis.findings) {
    const bool proved = finding.verdict == detect::Verdict::proved;
    const bool goroutines = finding.kind == "goroutine-leak";
    stuck += proved && goroutines;
    partly_used += proved && !goroutines;
    suspected += !proved;
    if (proved && !goroutines) kept += static_cast<double>(finding.bytes.value_or(0));
  }
  const auto places = [](std::size_t count) { return fmt::format("{} place{}", count, count == 1 ? "" : "s"); };
  const auto memory =
      fmt::format("{} are kept for small parts of them, in {}", format_bytes(kept), places(partly_used));
  const auto may_run = fmt::format("each of its {} goroutines may still run", format_count(proof.goroutines));
  std::string text = stuck > 0 ? fmt::format("PROVED: {} of {} goroutines of {} can never run again, in {}",
                                             format_count(proof.goids.size()), format_count(proof.goroutines),
                                             subject(analysis, page), places(stuck)) +
                                     (partly_used > 0 ? "; " + memory : "")
                     : partly_used > 0 ? fmt::format("PROVED: of {} {}; {}", subject(analysis, page), memory, may_run)
                                       : fmt::format("NOTHING PROVED of {}: {}", subject(analysis, page), may_run);
  if (suspected > 0) text += fmt::format("; {} more suspected", suspected);
  return text + ".";
}

std::string suspected_headline(const detect::Analysis& analysis, const Page& page) {
  if (analysis.findings.size() != 1)
    return fmt::format("{} SUSPECTED in {}: none is certain, each says what is not known.{}", analysis.findings.size(),
                       subject(analysis, page), limit_sentence(analysis));
  const auto& finding = analysis.findings.front();
  if (finding.kind == "goroutine-leak" && finding.trend != detect::Trend::growing && finding.count) {
    std::string stuck = "stuck";
    if (finding.since_seconds_at_least) stuck += " at least " + format_duration(*finding.since_seconds_at_least);
    const char* trend = finding.trend == detect::Trend::unknown ? "" : ", not growing";
    return fmt::format("SUSPECTED: {} goroutines of {} {}{}.", format_count(*finding.count), subject(analysis, page),
                       stuck, trend);
  }
  return fmt::format("SUSPECTED in {}: {}.{}", subject(analysis, page), page.name(finding.title),
                     limit_sentence(analysis));
}

}  // namespace

std::string rfc3339(std::int64_t wall_ns) {
  const auto c = calendar(wall_ns);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", c.year, c.month, c.day, c.hour, c.minute, c.second);
}

std::string utc_date_time(std::int64_t wall_ns) {
  const auto c = calendar(wall_ns);
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02} UTC", c.year, c.month, c.day, c.hour, c.minute, c.second);
}

std::string utc_minute(std::int64_t wall_ns, std::int64_t reference_ns) {
  const auto c = calendar(wall_ns), reference = calendar(reference_ns);
  const auto time = fmt::format("{:02}:{:02} UTC", c.hour, c.minute);
  if (c.year == reference.year && c.month == reference.month && c.day == reference.day) return time;
  return fmt::format("{:04}-{:02}-{:02} {}", c.year, c.month, c.day, time);
}

std::string one_decimal(double value) { return fmt::format("{:.1f}", value); }
std::string window_seconds(double seconds) { return one_decimal(seconds) + " s"; }

std::string base_name(std::string_view path) {
  const auto slash = path.rfind('/');
  const auto name = slash == std::string_view::npos ? path : path.substr(slash + 1);
  return name.empty() ? "?" : std::string(name);
}

std::string place(const Frame& frame) {
  if (frame.file.empty()) return "";
  std::size_t cut = frame.file.rfind('/');
  if (cut != std::string::npos && cut > 0) cut = frame.file.rfind('/', cut - 1);
  const auto file = cut == std::string::npos ? frame.file : frame.file.substr(cut + 1);
  return fmt::format("{}:{}", file, frame.line);
}

std::string short_function(const Frame& frame) {
  if (frame.standard_library) return frame.function;
  // Type arguments may hold slashes of their own: only what stands before them is the package path.
  const auto slash = frame.function.rfind('/', frame.function.find('['));
  return slash == std::string::npos ? frame.function : frame.function.substr(slash + 1);
}

std::string rate_value(double per_second, bool bytes) {
  return bytes ? format_byte_rate(per_second) : fmt::format("{:+.1f}/s", per_second);
}

std::string rate_interval(const detect::Rate& rate, bool bytes) {
  if (!std::isfinite(rate.low) || !std::isfinite(rate.high)) return "";
  const double divisor = bytes ? byte_scale(rate.value).divisor : 1;
  // "-0.3-0.5" is hard to read: a negative end asks for words.
  const char* dash = rate.low < 0 ? " to " : "-";
  return fmt::format(" ({:.1f}{}{:.1f})", rate.low / divisor, dash, rate.high / divisor);
}

std::optional<std::string> time_to_limit(const detect::LimitForecast& limit) {
  if (!limit.seconds_low && !limit.seconds_high) return std::nullopt;
  if (!limit.seconds_high) {
    const auto [divisor, unit] = time_scale(*limit.seconds_low);
    return fmt::format("not before {:.0f} {}", *limit.seconds_low / divisor, unit);
  }
  const double high = *limit.seconds_high, low = limit.seconds_low.value_or(0);
  const auto [divisor, unit] = time_scale((low + high) / 2);
  const auto from = fmt::format("{:.0f}", low / divisor), to = fmt::format("{:.0f}", high / divisor);
  const auto about = fmt::format("in about {:.0f} {}", (low + high) / 2 / divisor, unit);
  return from == to ? about : fmt::format("{} ({}-{} {})", about, from, to, unit);
}

std::string subject(const detect::Analysis& analysis, const Page& page) {
  if (!analysis.target) return "an unknown program";
  return fmt::format("{} (pid {})", page.name(base_name(analysis.target->exe), 64), analysis.target->pid);
}

std::string headline(const detect::Analysis& analysis, const Page& page) {
  if (analysis.proof) return proof_headline(analysis, page);
  const std::string seen = window_seconds(analysis.window.seconds);
  switch (analysis.summary.verdict) {
    case detect::SummaryVerdict::leak:
      return leak_headline(analysis, page);
    case detect::SummaryVerdict::suspected:
      return suspected_headline(analysis, page);
    case detect::SummaryVerdict::none_seen:
      return fmt::format("NO LEAK SEEN in {} in {}. All checks ran.", subject(analysis, page), seen);
    case detect::SummaryVerdict::insufficient_data:
      break;
  }
  return fmt::format("CANNOT SAY whether {} leaks: not everything could be checked in {}.", subject(analysis, page),
                     seen);
}

std::string check_question(std::string_view check) {
  static const std::pair<std::string_view, const char*> kQuestions[] = {
      {"goroutine-growth", "whether goroutines leak"},
      {"goroutine-stuck", "which goroutines are stuck"},
      {"heap-growth", "whether the heap grows"},
      {"call-site-growth", "which call site grows"},
      {"retention", "who holds the memory"},
      {"outside-heap", "whether memory outside the Go heap grows"},
      {"goroutine-proof", "which goroutines can never run again"},
  };
  for (const auto& [name, question] : kQuestions)
    if (name == check) return question;
  return std::string(check);
}

std::vector<MissingChecks> not_checked_by_reason(const detect::Analysis& analysis) {
  std::vector<MissingChecks> groups;
  for (const auto& missing : analysis.summary.not_checked) {
    auto same = std::find_if(groups.begin(), groups.end(), [&](const MissingChecks& group) {
      return group.reason == missing.reason && group.fix == missing.fix;
    });
    if (same == groups.end()) same = groups.insert(groups.end(), {{}, missing.reason, missing.fix});
    same->checks.push_back(missing.check);
  }
  return groups;
}

std::int64_t end_wall_ns(const detect::Analysis& analysis) {
  // Both come from a file that may be hostile: no overflow.
  const double end = static_cast<double>(analysis.window.start_wall_ns) + analysis.window.seconds * 1e9;
  if (!(std::fabs(end) < 9e18)) return analysis.window.start_wall_ns;
  return static_cast<std::int64_t>(end);
}

std::optional<double> uptime_seconds(const detect::Analysis& analysis) {
  if (!analysis.target || analysis.target->started_wall_ns <= 0) return std::nullopt;
  const double seconds =
      (static_cast<double>(end_wall_ns(analysis)) - static_cast<double>(analysis.target->started_wall_ns)) / 1e9;
  return seconds < 0 ? std::nullopt : std::optional(seconds);
}

std::optional<double> probe_cost(const detect::Analysis& analysis) {
  if (!analysis.overhead || analysis.window.seconds <= 0) return std::nullopt;
  if (analysis.overhead->hits == 0) return 0.0;
  const auto& [cost, base] = std::pair(analysis.overhead->cost_ns, analysis.overhead->base_ns);
  if (cost && base && *base > 0) return static_cast<double>(*cost) / static_cast<double>(*base);
  if (!analysis.overhead->trap_ns) return std::nullopt;
  const double taken = static_cast<double>(*analysis.overhead->trap_ns) * static_cast<double>(analysis.overhead->hits) +
                       static_cast<double>(analysis.overhead->bpf_run_ns);
  return taken / (analysis.window.seconds * 1e9);
}

const SourceState* find_source(const detect::Analysis& analysis, std::string_view name) {
  for (const auto& source : analysis.sources)
    if (source.name == name) return &source;
  return nullptr;
}

bool target_exited(const detect::Analysis& analysis) { return analysis.window.end == EndReason::target_exited; }

}  // namespace gotrace::report
