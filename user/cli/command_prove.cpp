// gotrace-leak prove -p PID: stop it for a moment, and say which goroutines can never run again.
#include <fmt/format.h>

#include <charconv>

#include "base/units.h"
#include "cli/commands.h"
#include "cli/fail_on.h"
#include "cli/messages.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/target_choice.h"
#include "cli/terminal.h"

namespace gotrace::cli {

namespace {

constexpr unsigned kMostThreads = 64;

struct ProveArguments {
  TargetArguments target;
  ReportArguments report;
  std::string max_pause = "250ms";
  std::string record;
  std::string snapshot;
  std::string snapshot_dir;
  std::string file;
  std::string exe;
  std::string scope = "heap";
  std::string why;
  std::string threads;  // empty: not given
  bool dry_run = false;
  void declare(CLI::App& app);
};

void ProveArguments::declare(CLI::App& app) {
  app.add_option("FILE", file, "Snapshot made by --snapshot, or core (gcore, a crash): what is in it is judged");
  target.declare(app);
  app.add_option("--max-pause", max_pause,
                 "Longest time that the process may stand still; it is not stopped for longer")
      ->type_name("TIME")
      ->capture_default_str();
  app.add_flag("--dry-run", dry_run, "Say how long it would stand still, and do not stop it");
  app.add_option("--record", record, "Keep what was found out in FILE (it holds nothing of the process's memory)")
      ->type_name("FILE");
  app.add_option("--snapshot", snapshot,
                 "Keep what was copied of the process in FILE, to be judged again later; it holds the process's memory")
      ->type_name("FILE");
  app.add_option("--snapshot-dir", snapshot_dir,
                 "Let the copy of the process's memory lie in DIR, on disk, until we are done; else it is in memory")
      ->type_name("DIR");
  app.add_option("--exe", exe, "The executable that a core is of, if it is not where the core says")->type_name("FILE");
  app.add_option("--scope", scope,
                 "heap: proofs, and who holds the memory; goroutines: proofs only, in less time and memory of ours")
      ->type_name("goroutines|heap")
      ->capture_default_str();
  app.add_option("--why", why,
                 "Say what keeps the object at ADDRESS, or the largest objects of TYPE: the shortest way to them")
      ->type_name("ADDRESS|TYPE");
  app.add_option("--threads", threads,
                 "Threads that copy the memory while it stands still (one a processor, 4 at most); what follows is "
                 "done by one")
      ->type_name("N");
  report.declare(app);
}

Result<unsigned> parse_threads(const std::string& text) {
  unsigned threads = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), threads);
  if (error != std::errc() || end != text.data() + text.size() || threads == 0 || threads > kMostThreads)
    return Error{ErrorKind::usage,
                 fmt::format("--threads: \"{}\" is no number from 1 to {}; write --threads 4", text, kMostThreads)};
  return threads;
}

Status understand_scope(const ProveArguments& arguments, session::ProveOptions& into) {
  if (arguments.scope != "heap" && arguments.scope != "goroutines")
    return Error{ErrorKind::usage,
                 fmt::format("--scope: \"{}\" is not known; write goroutines or heap", arguments.scope)};
  into.retention = arguments.scope == "heap";
  into.why = arguments.why;
  if (!into.why.empty() && !into.retention)
    return Error{ErrorKind::usage, "--why needs to know who holds the memory; leave out --scope goroutines"};
  return success();
}

Result<session::ProveOptions> understand(const ProveArguments& arguments) {
  session::ProveOptions options;
  const auto pause = parse_duration_ns(arguments.max_pause);
  if (!pause) return Error{ErrorKind::usage, fmt::format("--max-pause: {}", pause.error().text)};
  if (*pause == 0) return Error{ErrorKind::usage, "--max-pause: 0 would stop nothing; write 250ms"};
  options.max_pause_ns = *pause;
  if (arguments.record == "-") return Error{ErrorKind::usage, "--record: stdout is for the report; name a file"};
  options.record_path = arguments.record;
  if (arguments.snapshot == "-") return Error{ErrorKind::usage, "--snapshot: stdout is for the report; name a file"};
  if (arguments.dry_run && !arguments.snapshot.empty())
    return Error{ErrorKind::usage, "--snapshot: --dry-run copies nothing; leave one of them out"};
  options.snapshot_path = arguments.snapshot;
  options.copy_folder = arguments.snapshot_dir;
  if (auto scope = understand_scope(arguments, options); !scope) return scope.error();
  if (!arguments.threads.empty()) {
    const auto threads = parse_threads(arguments.threads);
    if (!threads) return threads.error();
    options.threads = *threads;
  }
  options.replace = arguments.report.force;
  return options;
}

// What only a process that is there can be asked for.
Status check_file(const ProveArguments& arguments) {
  const auto senseless = [](std::string_view option) {
    return Error{ErrorKind::usage, fmt::format("{} is for a process that runs; leave it out, or FILE", option)};
  };
  if (!arguments.target.pid.empty()) return senseless("-p");
  if (!arguments.target.name.empty()) return senseless("--name");
  if (!arguments.snapshot.empty()) return senseless("--snapshot");
  if (!arguments.snapshot_dir.empty()) return senseless("--snapshot-dir");
  if (arguments.dry_run) return senseless("--dry-run");
  if (!arguments.threads.empty()) return senseless("--threads");
  return success();
}

// What was written may not go where the report may.
void tell_kept(const session::ProveOptions& options, std::uint64_t bytes) {
  say(fmt::format("wrote {} ({}): it holds the memory of pid {}, secrets included; only you can read it",
                  options.snapshot_path, format_bytes(static_cast<double>(bytes)), options.pid));
}

std::string forecast_text(const session::ProveOptions& options, const session::PauseForecast& forecast) {
  const auto name = escape_for_terminal(forecast.exe);
  if (!forecast.unprovable.empty())
    return fmt::format("pid {} ({}): would not be stopped: nothing can be proved of it: {}\n", options.pid, name,
                       forecast.unprovable);
  const auto seconds = [](std::uint64_t ns) { return static_cast<double>(ns) / 1e9; };
  const bool allowed = forecast.pause_ns <= options.max_pause_ns;
  return fmt::format("pid {} ({}): would stand still for about {}: {}; {}--max-pause {}; takes up to {} of memory\n",
                     options.pid, name, format_duration(seconds(forecast.pause_ns)), forecast.to_read,
                     allowed ? "within " : "refused, longer than ", format_duration(seconds(options.max_pause_ns)),
                     format_bytes(static_cast<double>(forecast.memory_bytes)));
}

// What was asked for and can't be told is an error, whatever else the report says. Empty: it is told.
std::string why_is_not_answered(const detect::Analysis& analysis, const std::string& asked) {
  if (asked.empty()) return {};
  std::string reason = analysis.proof ? analysis.proof->off : "";
  if (analysis.holders) reason = analysis.holders->off.empty() ? analysis.holders->why_not : analysis.holders->off;
  return reason.empty() ? "" : fmt::format("--why {}: {}", asked, reason);
}

int write_report(Output& output, const std::string& text, int code) {
  if (const auto written = output.write(text); !written)
    return output.broken_pipe() ? static_cast<int>(kClosedStdout) : fail(written.error());
  if (const auto finished = output.finish(); !finished) return fail(finished.error());
  return code;
}

}  // namespace

namespace {

Result<detect::Analysis> analysis_of_file(const ProveArguments& prove, const session::ProveOptions& options) {
  const session::ProveFileOptions file{.path = prove.file,
                                       .executable = prove.exe,
                                       .stuck_after_ns = options.stuck_after_ns,
                                       .record_path = options.record_path,
                                       .replace = options.replace,
                                       .retention = options.retention,
                                       .why = options.why};
  return session::run_prove_file(file, [](const std::string& text) { warn(text); });
}

// `code`: what a snapshot that could not be kept makes of success.
Result<detect::Analysis> analysis_of_process(const session::ProveOptions& options, int& code) {
  const auto kept = [&](const Result<std::uint64_t>& bytes) {
    if (bytes) return tell_kept(options, *bytes);
    code = fail(bytes.error());
  };
  return session::run_prove(
      options, [](const std::string& text) { warn(text); }, kept);
}

}  // namespace

int run_prove(const Arguments& arguments) {
  CLI::App app("Stops a Go program for a moment and proves from its memory which goroutines can never run again.",
               "gotrace-leak prove");
  ProveArguments prove;
  prove.declare(app);
  if (const auto done = parse(app, arguments)) return *done;
  auto options = understand(prove);
  if (!options) return fail(options.error());
  const auto choice = understand(prove.report);
  if (!choice) return fail(choice.error());
  const bool of_file = !prove.file.empty();
  if (of_file) {
    if (app.count("--max-pause") > 0)
      return fail({ErrorKind::usage, "--max-pause is for a process that runs; leave it out, or FILE"});
    if (auto sound = check_file(prove); !sound) return fail(sound.error());
  } else if (!prove.exe.empty()) {
    return fail({ErrorKind::usage, "--exe is for a core; name that as FILE"});
  } else {
    const auto pid = choose_target(prove.target);
    if (!pid) return fail(pid.error());
    options->pid = *pid;
  }
  auto output = Output::open(prove.report.output, prove.report.force);
  if (!output) return fail(output.error());
  if (prove.dry_run) {
    const auto forecast = session::predict_pause(*options);
    return forecast ? write_report(*output, forecast_text(*options, *forecast), kDone) : fail(forecast.error());
  }
  int kept = kDone;
  const auto analysis = of_file ? analysis_of_file(prove, *options) : analysis_of_process(*options, kept);
  if (!analysis) return fail(analysis.error());
  const auto report = report_options(output->is_stdout() && stdout_is_terminal(), choice->width, prove.report.all);
  const int code = write_report(*output, choice->format->render(*analysis, report), judge(*analysis, choice->fail_on));
  if (!prove.record.empty()) say("wrote " + prove.record);
  const auto why_not = why_is_not_answered(*analysis, options->why);
  if (!why_not.empty()) return fail(failure(why_not));
  return code == kDone ? kept : code;
}

}  // namespace gotrace::cli
