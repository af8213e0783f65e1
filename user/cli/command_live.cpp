// gotrace-leak -p PID: look, show a screen on a terminal, report.
#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/fail_on.h"
#include "cli/messages.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/signals.h"
#include "cli/target_choice.h"
#include "cli/terminal.h"

namespace gotrace::cli {

namespace {

constexpr std::uint64_t kDefaultDuration = 10'000'000'000;  // ns, where nobody can press q

struct LiveArguments {
  TargetArguments target;
  ReportArguments report;
  LookArguments look;
  std::string record;
};

std::string list_of_commands() {
  std::string text = "Commands (gotrace-leak COMMAND --help):\n";
  for (const auto& command : commands()) text += fmt::format("  {:<24}{}\n", command.synopsis, command.help);
  return text;
}

void declare(CLI::App& app, LiveArguments& arguments) {
  app.name("gotrace-leak");
  app.footer(list_of_commands());
  arguments.target.declare(app);
  arguments.look.declare(app);
  arguments.report.declare(app);
  app.add_option("--record", arguments.record, "Keep a recording of this look in FILE")->type_name("FILE");
  app.add_flag_callback(
      "--version", [] {}, "Print the version");
}

class LiveRun {
 public:
  LiveRun(const ReportChoice& choice, const ReportArguments& arguments, Signals& signals, Output& output, bool screen)
      : choice_(choice), arguments_(arguments), signals_(signals), output_(output), screen_wanted_(screen) {}

  session::LiveCallbacks callbacks();
  void begin() {
    if (screen_wanted_) keys_.set();
  }
  int end(const Result<detect::Analysis>& analysis);

 private:
  void draw(const detect::Analysis& analysis);
  void report_now(const detect::Analysis& analysis);
  void suspend();
  [[nodiscard]] std::string rendered(const detect::Analysis& analysis, bool ongoing) const;
  int write_report(const detect::Analysis& analysis);

  const ReportChoice& choice_;
  const ReportArguments& arguments_;
  Signals& signals_;
  Output& output_;
  bool screen_wanted_;
  bool reported_ = false;
  bool trace_failed_ = false;
  Screen screen_;
  RawKeys keys_;
};

session::LiveCallbacks LiveRun::callbacks() {
  session::LiveCallbacks callbacks;
  callbacks.warn = [this](const std::string& text) {
    screen_.clear();
    warn(text);
  };
  if (screen_wanted_) callbacks.on_interval = [this](const detect::Analysis& analysis) { draw(analysis); };
  callbacks.on_report_request = [this](const detect::Analysis& analysis) { report_now(analysis); };
  callbacks.wait = [this](std::uint64_t wait_ns) {
    return signals_.wait(wait_ns, output_.is_stdout(), screen_wanted_);
  };
  callbacks.suspend = [this] { suspend(); };
  callbacks.trace_failed = [this](const Error& error) {
    screen_.clear();
    say(error.text);
    trace_failed_ = true;
    return session::Request::none;  // the report is worth having without a recording
  };
  return callbacks;
}

std::string LiveRun::rendered(const detect::Analysis& analysis, bool ongoing) const {
  auto options = report_options(output_.is_stdout() && stdout_is_terminal(), choice_.width, arguments_.all);
  options.ongoing = ongoing;
  return choice_.format->render(analysis, options);
}

void LiveRun::draw(const detect::Analysis& analysis) {
  auto options = report_options(true, choice_.width, false);
  options.ongoing = true;
  screen_.paint(report::render_screen(analysis, options, terminal_size().height - 1));
}

// SIGUSR1: to stdout even where the last report goes to a file, which is still to be written.
void LiveRun::report_now(const detect::Analysis& analysis) {
  screen_.clear();
  auto to_stdout = Output::open("-", false);
  if (!to_stdout) return;
  if (const auto written = to_stdout->write(rendered(analysis, true)); !written) return warn(written.error().text);
  reported_ = true;
}

void LiveRun::suspend() {
  screen_.forget();
  keys_.restore();
  signals_.stop_until_continued();
  if (screen_wanted_) keys_.set();
}

int LiveRun::write_report(const detect::Analysis& analysis) {
  if (const auto written = output_.write(rendered(analysis, false)); !written) {
    if (output_.broken_pipe()) return reported_ ? kDone : kClosedStdout;
    return fail(written.error());
  }
  if (const auto finished = output_.finish(); !finished) return fail(finished.error());
  if (trace_failed_) return kFailed;
  return judge(analysis, choice_.fail_on);
}

int LiveRun::end(const Result<detect::Analysis>& analysis) {
  screen_.clear();
  keys_.restore();
  if (!analysis) return fail(analysis.error());
  return write_report(*analysis);
}

}  // namespace

int run_live(const Arguments& arguments) {
  CLI::App app("Says which goroutines of a running Go program are stuck, which call sites grow, and how sure it is.");
  LiveArguments live;
  declare(app, live);
  if (const auto done = parse(app, arguments)) return *done;
  auto options = understand(live.look);
  if (!options) return fail(options.error());
  const auto choice = understand(live.report);
  if (!choice) return fail(choice.error());
  if (live.record == "-") return fail({ErrorKind::usage, "--record: stdout is for the report; use record -o -"});
  if (const auto allowed = check_assist(live.look, live.target); !allowed) return fail(allowed.error());
  const auto pid = choose_target(live.target);
  if (!pid) return fail(pid.error());
  options->pid = *pid;
  options->record_path = live.record;
  options->replace = live.report.force;
  const bool screen = stdout_is_terminal() && live.report.format.empty() && live.report.output.empty();
  if (options->duration_ns == 0 && !screen) options->duration_ns = kDefaultDuration;
  auto output = Output::open(live.report.output, live.report.force);
  if (!output) return fail(output.error());
  auto signals = Signals::install();
  if (!signals) return fail(signals.error());
  LiveRun run(*choice, live.report, *signals, *output, screen);
  run.begin();
  const int code = run.end(session::run_live(*options, run.callbacks()));
  if (code != kFailed && !live.record.empty()) say("wrote " + live.record);
  return code;
}

}  // namespace gotrace::cli
