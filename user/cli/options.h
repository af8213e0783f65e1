// The options that commands share, their defaults, and how CLI11 fills them in.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <CLI/CLI.hpp>

#include "base/result.h"
#include "report/report.h"

namespace gotrace::cli {

struct Options {
  // target
  std::string pid;   // a number, or a name
  std::string name;  // exact basename of the executable
  bool show_args = false;
  // time
  std::string duration;
  std::string interval = "1s";
  // output
  std::string format;
  std::string output;
  std::string record;
  bool force = false;
  int width = 0;
  bool all = false;
  // cost
  std::string max_overhead = "1%";
  std::string probes = "auto";
  std::string buffer = "8MiB";
  // judgement
  std::string stuck_after;
  std::string fail_on;
  // operands
  std::string file;
  std::string id;
};

void add_target_options(CLI::App& app, Options& options);
void add_look_options(CLI::App& app, Options& options);    // time, cost, judgement of a live look
void add_report_options(CLI::App& app, Options& options);  // what is printed and where
void add_judgement_options(CLI::App& app, Options& options);

// What is printed how: width, colour and character set from the options, the terminal and the environment.
[[nodiscard]] report::ReportOptions report_options(const Options& options, bool to_terminal);
[[nodiscard]] bool stdout_is_terminal();
[[nodiscard]] bool stderr_is_terminal();

// Numbers of the options, or a usage error that says what to write. `duration`: 0 when not given.
struct Times {
  std::uint64_t duration_ns = 0;
  std::uint64_t interval_ns = 0;
  std::optional<std::uint64_t> stuck_after_ns;
};
[[nodiscard]] Result<Times> parse_times(const Options& options);
// "auto", "none" or canonical names, comma-separated, from their aliases.
[[nodiscard]] Result<std::string> parse_probes(const std::string& text);
[[nodiscard]] Status check_fail_on(const std::string& text);

}  // namespace gotrace::cli
