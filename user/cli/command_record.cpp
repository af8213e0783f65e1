// gotrace-leak record: a live session whose result is a trace.
#include <fmt/format.h>

#include "base/units.h"
#include "cli/commands.h"
#include "cli/messages.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/signals.h"
#include "cli/target_choice.h"
#include "cli/terminal.h"

namespace gotrace::cli {

namespace {

struct RecordRun {
  Signals& signals;
  bool to_stdout;
  bool failed = false;

  session::LiveCallbacks callbacks() {
    session::LiveCallbacks callbacks;
    callbacks.warn = [](const std::string& text) { warn(text); };
    callbacks.wait = [this](std::uint64_t wait_ns) { return signals.wait(wait_ns, to_stdout, false); };
    callbacks.suspend = [this] { signals.stop_until_continued(); };
    callbacks.on_report_request = [this](const detect::Analysis& analysis) { report_now(analysis); };
    callbacks.trace_failed = [this](const Error& error) {
      failed = true;
      if (!(to_stdout && stdout_closed())) say(error.text);
      return session::Request::stop;  // without a recording there is nothing to go on for
    };
    return callbacks;
  }

  void report_now(const detect::Analysis& analysis) const {
    if (to_stdout) return warn("SIGUSR1: stdout holds the recording; no report written");
    auto options = report_options(stdout_is_terminal(), std::nullopt, false);
    options.ongoing = true;
    auto output = Output::open("-", false);
    if (!output) return;
    if (const auto written = output->write(report::render_text(analysis, options)); !written)
      warn(written.error().text);
  }
};

}  // namespace

int run_record(const Arguments& arguments) {
  CLI::App app("Records what is seen of a Go program, for report, replay and explain.", "gotrace-leak record");
  TargetArguments target;
  LookArguments look;
  std::string path;
  bool force = false;
  target.declare(app);
  look.declare(app);
  app.get_option("--duration")->description("Record this long (until Ctrl-C or the process's end)");
  app.add_option("-o,--output", path, "Recording to write; - is stdout")->type_name("FILE");
  app.add_flag("--force", force, "Replace a file that exists");
  if (const auto done = parse(app, arguments)) return *done;
  auto options = understand(look);
  if (!options) return fail(options.error());
  if (path.empty()) return fail({ErrorKind::usage, "record: no file given; write -o FILE"});
  const bool to_stdout = path == "-";
  if (to_stdout && stdout_is_terminal())
    return fail({ErrorKind::usage, "a recording is binary and stdout is a terminal; use -o FILE or a pipe"});
  if (const auto allowed = check_assist(look, target); !allowed) return fail(allowed.error());
  const auto pid = choose_target(target);
  if (!pid) return fail(pid.error());
  options->pid = *pid;
  options->record_path = path;
  options->replace = force;
  auto signals = Signals::install();
  if (!signals) return fail(signals.error());
  RecordRun run{*signals, to_stdout};
  const auto analysis = session::run_live(*options, run.callbacks());
  if (!analysis) return fail(analysis.error());
  if (to_stdout && (signals->stdout_was_closed() || stdout_closed())) return kClosedStdout;
  if (run.failed) return kFailed;
  if (analysis->window.end == EndReason::target_exited) say("the process exited during the recording");
  if (!to_stdout)
    say(fmt::format("wrote {0} ({1:.1f} s); read it with gotrace-leak report {0}", path, analysis->window.seconds));
  return kDone;
}

}  // namespace gotrace::cli
