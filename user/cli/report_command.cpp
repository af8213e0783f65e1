// gotrace-leak report FILE: any format from a trace. replay FILE: the live screen's last state off a terminal.
#include "cli/commands.h"
#include "cli/output.h"
#include "session/session.h"

namespace gotrace::cli {
namespace {

Result<session::Replay> load(const Options& options) {
  if (const auto fail_on = check_fail_on(options.fail_on); !fail_on.ok()) return fail_on.error();
  const auto times = parse_times(options);
  if (!times) return times.error();
  return session::replay(options.file, times->stuck_after_ns);
}

int show(const Options& options) {
  const auto replay = load(options);
  if (!replay) {
    print_error(replay.error());
    return exit_code(replay.error().kind);
  }
  if (!replay->trouble.empty()) print_note(replay->trouble);
  const int published = publish(replay->analysis, options);
  return published != 0 ? published : judge_fail_on(replay->analysis, options.fail_on);
}

void add_trace_operand(CLI::App& app, Options& options) {
  app.add_option("FILE", options.file, "A trace (.gtl); - is stdin")->required();
}

}  // namespace

void add_report(CLI::App& app, Options& options) {
  add_trace_operand(app, options);
  add_report_options(app, options);
  add_judgement_options(app, options);
}
int run_report(const Options& options) { return show(options); }

void add_replay(CLI::App& app, Options& options) { add_report(app, options); }
int run_replay(const Options& options) { return show(options); }

void add_explain(CLI::App& app, Options& options) {
  app.add_option("ID", options.id, "A finding's id, as reports print it")->required();
  add_trace_operand(app, options);
  app.add_option("--width", options.width, "Columns (default: the terminal's, else 80)")->check(CLI::Range(40, 1000));
}

int run_explain(const Options& options) {
  const auto replay = load(options);
  if (!replay) {
    print_error(replay.error());
    return exit_code(replay.error().kind);
  }
  if (!replay->trouble.empty()) print_note(replay->trouble);
  const auto text = report::render_finding(replay->analysis, options.id, report_options(options, stdout_is_terminal()));
  if (!text) {
    print_error(text.error());
    return exit_code(text.error().kind);
  }
  return write_stdout(*text) ? 0 : 141;
}

}  // namespace gotrace::cli
