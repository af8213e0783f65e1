#include "cli/options.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <string_view>

#include <fmt/format.h>

#include "base/units.h"

namespace gotrace::cli {
namespace {

Error usage(std::string text) { return Error{ErrorKind::usage, std::move(text)}; }

bool environment_says_utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(name);
    if (value == nullptr || *value == '\0') continue;
    return std::strstr(value, "UTF-8") != nullptr || std::strstr(value, "utf8") != nullptr;
  }
  return false;
}

Result<std::uint64_t> positive_duration(const std::string& option, const std::string& text) {
  auto parsed = parse_duration_ns(text);
  if (!parsed) return usage(fmt::format("{} {}: {}", option, text, parsed.error().text));
  if (*parsed == 0) return usage(fmt::format("{} {}: must be more than nothing; write for example {} 10s", option, text, option));
  return parsed;
}

}  // namespace

void add_target_options(CLI::App& app, Options& options) {
  app.add_option("-p,--pid", options.pid, "Process id, or the name of its executable")->type_name("PID|NAME");
  app.add_option("-n,--name", options.name, "Exact name of the executable (Go programs only)")->type_name("NAME");
  app.add_flag("--show-args", options.show_args, "Show command lines when several processes match");
}

void add_judgement_options(CLI::App& app, Options& options) {
  app.add_option("--stuck-after,--parked-threshold", options.stuck_after,
                 "Parked so long counts as stuck (default 5m)")->type_name("DURATION");
  app.add_option("--fail-on", options.fail_on,
                 "Exit 3 when a finding is at least suspected|leaking|proved (any = suspected), 4 when that could not be judged")
      ->type_name("VERDICT");
}

void add_look_options(CLI::App& app, Options& options) {
  app.add_option("--duration", options.duration, "Look so long (default: until q or Ctrl-C on a terminal, else 10s)")
      ->type_name("DURATION");
  app.add_option("--interval", options.interval, "Time between two looks (default 1s)")->type_name("DURATION");
  app.add_option("--max-overhead", options.max_overhead,
                 "What probes may cost the target, as a share of one core (default 1%; 0% = no probes)")
      ->type_name("SHARE");
  app.add_option("--probes", options.probes, "auto, none, or a list of births,parks,ends,allocs (default auto)")
      ->type_name("LIST");
  app.add_option("--buffer", options.buffer, "Size of the event buffer (default 8MiB)")->type_name("SIZE");
  add_judgement_options(app, options);
}

void add_report_options(CLI::App& app, Options& options) {
  app.add_option("-f,--format", options.format, "text, json or jsonl (default text)")->type_name("FORMAT");
  app.add_option("-o,--output", options.output, "Write to FILE instead of stdout (- is stdout)")->type_name("FILE");
  app.add_flag("--force", options.force, "Replace an existing file");
  app.add_option("--width", options.width, "Columns of the text report (default: the terminal's, else 80)")
      ->type_name("N")
      ->check(CLI::Range(40, 1000));
  app.add_flag("--all", options.all, "Show every goroutine group and call site");
}

bool stdout_is_terminal() { return ::isatty(STDOUT_FILENO) == 1; }
bool stderr_is_terminal() { return ::isatty(STDERR_FILENO) == 1; }

report::ReportOptions report_options(const Options& options, bool to_terminal) {
  report::ReportOptions result;
  result.all = options.all;
  result.utf8 = environment_says_utf8();
  winsize size{};
  if (options.width > 0) {
    result.width = options.width;
  } else if (to_terminal && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40) {
    result.width = size.ws_col;
  }
  const char* no_color = std::getenv("NO_COLOR");
  result.color = to_terminal && (no_color == nullptr || *no_color == '\0');
  return result;
}

Result<Times> parse_times(const Options& options) {
  Times times;
  if (!options.duration.empty()) {
    auto duration = positive_duration("--duration", options.duration);
    if (!duration) return duration.error();
    times.duration_ns = *duration;
  }
  auto interval = positive_duration("--interval", options.interval);
  if (!interval) return interval.error();
  if (*interval < 100'000'000U)
    return usage(fmt::format("--interval {}: looking more often than every 100ms would burden the target", options.interval));
  times.interval_ns = *interval;
  if (!options.stuck_after.empty()) {
    auto stuck = positive_duration("--stuck-after", options.stuck_after);
    if (!stuck) return stuck.error();
    times.stuck_after_ns = *stuck;
  }
  return times;
}

Result<std::string> parse_probes(const std::string& text) {
  if (text == "auto" || text == "none") return text;
  constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kNames = {{{"births", "births"},
                                                                                    {"parks", "parks"},
                                                                                    {"ends", "ends"},
                                                                                    {"allocs", "allocs"},
                                                                                    {"newproc", "births"},
                                                                                    {"gopark", "parks"},
                                                                                    {"goexit", "ends"},
                                                                                    {"mallocgc", "allocs"}}};
  std::string result;
  std::stringstream list(text);
  for (std::string word; std::getline(list, word, ',');) {
    std::string_view canonical;
    for (const auto& [name, meaning] : kNames)
      if (name == word) canonical = meaning;
    if (canonical.empty())
      return usage(fmt::format("--probes {}: '{}' is no probe; write auto, none, or a list of births,parks,ends,allocs", text, word));
    if (!result.empty()) result += ',';
    result += canonical;
  }
  if (result.empty()) return usage("--probes: write auto, none, or a list of births,parks,ends,allocs");
  return result;
}

Status check_fail_on(const std::string& text) {
  for (const std::string_view known : {"", "suspected", "leaking", "proved", "any"})
    if (text == known) return success();
  return usage(fmt::format("--fail-on {}: write suspected, leaking, proved or any", text));
}

}  // namespace gotrace::cli
