// gotrace-leak list: the Go processes of this host.
#include "cli/commands.h"
#include "cli/messages.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/target_choice.h"

namespace gotrace::cli {

int run_list(const Arguments& arguments) {
  CLI::App app("The Go processes that can be seen from here.", "gotrace-leak list");
  bool show_args = false;
  app.add_flag("--show-args", show_args, "Show command lines (they may hold secrets)");
  if (const auto done = parse(app, arguments)) return *done;
  const auto processes = process::go_processes();
  if (processes.empty()) say("no Go process can be seen; as root, those of other users are seen too");
  auto output = Output::open("-", false);
  if (!output) return fail(output.error());
  if (const auto written = output->write(process_table(processes, show_args)); !written)
    return output->broken_pipe() ? static_cast<int>(kClosedStdout) : fail(written.error());
  return kDone;
}

}  // namespace gotrace::cli
