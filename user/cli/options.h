// Options that several commands share: declared once, understood once.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "base/result.h"
#include "report/report.h"
#include "session/session.h"

namespace gotrace::cli {

// How the target is named.
struct TargetArguments {
  std::string pid;   // -p: a number, or a name
  std::string name;  // -n
  bool show_args = false;
  void declare(CLI::App& app);
};

enum class FailOn : std::uint8_t { never, suspected, leaking, proved };

// How the report is written.
struct ReportArguments {
  std::string format;  // empty: not given
  std::string output;  // -o; empty: stdout
  std::string width;
  std::string fail_on;
  bool force = false;
  bool all = false;
  void declare(CLI::App& app);
};
struct ReportChoice {
  const report::Format* format = nullptr;
  std::optional<int> width;
  FailOn fail_on = FailOn::never;
};
[[nodiscard]] Result<ReportChoice> understand(const ReportArguments& arguments);

// How it is looked.
struct LookArguments {
  std::string duration;  // empty: not given
  std::string interval = "1s";
  std::string max_overhead = "1%";
  std::string max_cpu = "5%";
  std::string probes = "auto";
  std::string stuck_after = "5m";
  std::string buffer = "8MiB";
  bool assist = false;
  void declare(CLI::App& app);
};
// Everything but pid, record_path and replace.
[[nodiscard]] Result<session::LiveOptions> understand(const LookArguments& arguments);
// Who is written to must be named by number: a usage error when --assist comes with a name.
[[nodiscard]] Status check_assist(const LookArguments& look, const TargetArguments& target);

// --stuck-after alone, for replays; nullopt: as recorded.
void declare_stuck_after(CLI::App& app, std::string& into);
[[nodiscard]] Result<std::optional<std::uint64_t>> understand_stuck_after(const std::string& text);

// Parses `arguments` (without the program's name). nullopt: go on; else the exit code: help was printed or an error
// said.
[[nodiscard]] std::optional<int> parse(CLI::App& app, std::vector<std::string> arguments);

}  // namespace gotrace::cli
