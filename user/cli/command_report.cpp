// gotrace-leak report, replay and explain: what a recording holds.
#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/fail_on.h"
#include "cli/messages.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/signals.h"
#include "cli/terminal.h"

namespace gotrace::cli {

namespace {

struct TraceArguments {
  std::string file;
  std::string stuck_after;
  void declare(CLI::App& app) {
    app.add_option("FILE", file, "Recording made by record or --record; - is stdin")->required();
    declare_stuck_after(app, stuck_after);
  }
};

Result<session::Replay> read_trace(const TraceArguments& arguments, const session::OnLook& on_look) {
  const auto stuck_after = understand_stuck_after(arguments.stuck_after);
  if (!stuck_after) return stuck_after.error();
  auto replay = session::replay(arguments.file, *stuck_after, on_look);
  if (replay && !replay->trouble.empty()) say(fmt::format("{}: {}", arguments.file, replay->trouble));
  if (replay && replay->unknown_records > 0)
    warn(fmt::format("{}: {} records are of a newer version and were left out", arguments.file,
                     replay->unknown_records));
  return replay;
}

int print_result(Output& output, const std::string& text, int code) {
  if (const auto written = output.write(text); !written)
    return output.broken_pipe() ? static_cast<int>(kClosedStdout) : fail(written.error());
  if (const auto finished = output.finish(); !finished) return fail(finished.error());
  return code;
}

// A damaged trace yields a report of what is whole, and a code that says that something is missing.
int code_for(const session::Replay& replay, FailOn fail_on) {
  const int judged = judge(replay.analysis, fail_on);
  return judged == kDone && !replay.trouble.empty() ? static_cast<int>(kFailed) : judged;
}

int print_report(const TraceArguments& trace, const ReportArguments& arguments, const session::OnLook& on_look,
                 const std::function<void()>& before_report) {
  const auto choice = understand(arguments);
  if (!choice) return fail(choice.error());
  const auto replay = read_trace(trace, on_look);
  if (!replay) return fail(replay.error());
  before_report();
  auto output = Output::open(arguments.output, arguments.force);
  if (!output) return fail(output.error());
  const auto options = report_options(output->is_stdout() && stdout_is_terminal(), choice->width, arguments.all);
  return print_result(*output, choice->format->render(replay->analysis, options), code_for(*replay, choice->fail_on));
}

// The screen at the pace of the recording, until q or a signal: then what is left is read at once.
int play(const TraceArguments& trace, const ReportArguments& arguments) {
  auto signals = Signals::install();
  if (!signals) return fail(signals.error());
  Screen screen;
  RawKeys keys;
  keys.set();
  bool stopped = false;
  const auto on_look = [&](const detect::Analysis& analysis, std::uint64_t elapsed_ns) {
    if (stopped) return;
    const auto request = signals->wait(elapsed_ns, false, true);
    stopped = request == session::Request::stop || request == session::Request::stop_now;
    if (request == session::Request::suspend) {
      screen.forget();
      keys.restore();
      signals->stop_until_continued();
      keys.set();
    }
    auto options = report_options(true, std::nullopt, false);
    options.ongoing = true;
    screen.paint(report::render_screen(analysis, options, terminal_size().height - 1));
  };
  return print_report(trace, arguments, on_look, [&] {
    screen.clear();
    keys.restore();
  });
}

}  // namespace

int run_report(const Arguments& arguments) {
  CLI::App app("A report from a recording: the same that the live run printed.", "gotrace-leak report");
  TraceArguments trace;
  ReportArguments report;
  trace.declare(app);
  report.declare(app);
  if (const auto done = parse(app, arguments)) return *done;
  return print_report(trace, report, {}, [] {});
}

int run_replay(const Arguments& arguments) {
  CLI::App app("The live screen over a recording, then its report. Off a terminal: the report.", "gotrace-leak replay");
  TraceArguments trace;
  ReportArguments report;
  trace.declare(app);
  report.declare(app);
  if (const auto done = parse(app, arguments)) return *done;
  const bool screen = stdout_is_terminal() && report.format.empty() && report.output.empty();
  return screen ? play(trace, report) : print_report(trace, report, {}, [] {});
}

int run_explain(const Arguments& arguments) {
  CLI::App app("One finding of a recording in full: stack, evidence, members.", "gotrace-leak explain");
  TraceArguments trace;
  std::string id, width;
  app.add_option("ID", id, "Id of the finding, as a report names it: gl-7c19e2d4")->required();
  trace.declare(app);
  app.add_option("--width", width, "Columns (default: the terminal's, else 80)")->type_name("N");
  if (const auto done = parse(app, arguments)) return *done;
  ReportArguments report;
  report.width = width;
  const auto choice = understand(report);
  if (!choice) return fail(choice.error());
  const auto replay = read_trace(trace, {});
  if (!replay) return fail(replay.error());
  const auto text =
      report::render_finding(replay->analysis, id, report_options(stdout_is_terminal(), choice->width, true));
  if (!text) return fail(text.error());
  auto output = Output::open("-", false);
  if (!output) return fail(output.error());
  return print_result(*output, *text, code_for(*replay, FailOn::never));
}

}  // namespace gotrace::cli
