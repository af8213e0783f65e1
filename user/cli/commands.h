// The commands, one file each. add_* declares a command's options; run_* does it and returns the exit code.
#pragma once

#include <CLI/CLI.hpp>

#include "cli/options.h"
#include "detect/analysis.h"

namespace gotrace::cli {

void add_live(CLI::App& app, Options& options);
int run_live(const Options& options);

void add_record(CLI::App& app, Options& options);
int run_record(const Options& options);

void add_report(CLI::App& app, Options& options);
int run_report(const Options& options);

void add_replay(CLI::App& app, Options& options);
int run_replay(const Options& options);

void add_explain(CLI::App& app, Options& options);
int run_explain(const Options& options);

void add_list(CLI::App& app, Options& options);
int run_list(const Options& options);

void add_doctor(CLI::App& app, Options& options);
int run_doctor(const Options& options);

// Prints or writes a report; 0, or the exit code of what went wrong (141: nobody reads stdout any more).
[[nodiscard]] int publish(const detect::Analysis& analysis, const Options& options);
// 0, 3 or 4 by --fail-on.
[[nodiscard]] int judge_fail_on(const detect::Analysis& analysis, const std::string& fail_on);

}  // namespace gotrace::cli
