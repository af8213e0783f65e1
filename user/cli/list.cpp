// gotrace-leak list: the Go processes of this host.
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/process_table.h"
#include "process/process_list.h"

namespace gotrace::cli {

void add_list(CLI::App& app, Options& options) {
  app.add_flag("--show-args", options.show_args, "Show command lines (they may hold secrets)");
}

int run_list(const Options& options) {
  const auto processes = process::go_processes();
  if (processes.empty()) print_note("no Go process is running, or none that this user may look at; try sudo");
  return write_stdout(process_table(processes, options.show_args) + "\n") ? 0 : 141;
}

}  // namespace gotrace::cli
