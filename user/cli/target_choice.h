// From -p and -n to one process.
#pragma once

#include <sys/types.h>

#include <string>
#include <variant>
#include <vector>

#include "cli/options.h"
#include "process/process_list.h"

namespace gotrace::cli {

// A table of PID, uptime, RES, container, executable, and where wanted the command line. Names are escaped.
[[nodiscard]] std::string process_table(const std::vector<process::ProcessEntry>& processes, bool show_args);

// What -p and -n say, before any process is looked at.
struct Wanted {
  pid_t pid = 0;     // > 0: this one
  std::string name;  // else the one of this name
  bool by_pid_option = false;
};
[[nodiscard]] Result<Wanted> understand(const TargetArguments& arguments);

// The one process that is meant. Several: their table goes to stderr; the Error is of kind usage for `-p NAME` (the
// command lines are shown then, to choose by), of kind no_target for `--name`.
[[nodiscard]] Result<pid_t> choose_target(const TargetArguments& arguments);

}  // namespace gotrace::cli
