// gotrace-leak record -p PID -o FILE: keep what is seen until Ctrl-C, --duration or the target's end.
#include <fmt/format.h>

#include "base/units.h"
#include "cli/commands.h"
#include "cli/live_options.h"
#include "cli/output.h"
#include "cli/signals.h"
#include "session/session.h"

namespace gotrace::cli {

void add_record(CLI::App& app, Options& options) {
  add_target_options(app, options);
  add_look_options(app, options);
  app.add_option("-o,--output", options.output, "The trace to write (- is stdout)")->type_name("FILE");
  app.add_flag("--force", options.force, "Replace an existing file");
}

int run_record(const Options& options) {
  if (options.output.empty() || (options.output == "-" && stdout_is_terminal())) {
    print_note("record: a trace is binary; use -o FILE or a pipe");
    return exit_code(ErrorKind::usage);
  }
  auto live = live_options(options);
  if (!live) {
    print_error(live.error());
    return exit_code(live.error().kind);
  }
  live->record_path = options.output;
  Signals signals(false);
  bool broken = false;
  session::LiveCallbacks callbacks;
  callbacks.warn = [&](const std::string& line) {
    print_note("warning: " + line);
    broken = broken || line.find(options.output) != std::string::npos;
  };
  callbacks.wait = [&](std::uint64_t wait_ns) { return broken ? session::Request::stop : signals.wait(wait_ns); };
  if (stderr_is_terminal() && live->duration_ns == 0) print_note("recording; Ctrl-C ends it");
  const auto analysis = session::run_live(*live, callbacks);
  if (!analysis) {
    print_error(analysis.error());
    return exit_code(analysis.error().kind);
  }
  if (broken) return exit_code(ErrorKind::failed);
  print_note(fmt::format("wrote {}: {} of {}; see gotrace-leak report {}", options.output,
                         format_duration(analysis->window.seconds), detect::to_string(analysis->summary.verdict),
                         options.output));
  return judge_fail_on(*analysis, options.fail_on);
}

}  // namespace gotrace::cli
