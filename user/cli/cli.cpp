#include "cli/cli.h"

#include <exception>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/output.h"

namespace gotrace::cli {
namespace {

struct Command {
  const char* name;
  const char* help;
  void (*add)(CLI::App&, Options&);
  int (*run)(const Options&);
};

constexpr Command kCommands[] = {
    {"record", "Record a trace until Ctrl-C, --duration, or the target's end", add_record, run_record},
    {"report", "Print the report of a trace", add_report, run_report},
    {"replay", "Show a trace as it was seen", add_replay, run_replay},
    {"explain", "Print one finding in full", add_explain, run_explain},
    {"list", "List the Go processes of this host", add_list, run_list},
    {"doctor", "Say what works here, what does not, and what to do", add_doctor, run_doctor},
};

int parse_and_run(int argc, char** argv) {
  CLI::App app("Finds what leaks in a running Go program: goroutines and memory, by line of code.", "gotrace-leak");
  Options options;
  app.set_version_flag("--version", "gotrace-leak " GOTRACE_VERSION);
  app.require_subcommand(0, 1);
  app.get_formatter()->column_width(34);
  add_live(app, options);
  int (*run)(const Options&) = run_live;
  for (const Command& command : kCommands) {
    CLI::App* sub = app.add_subcommand(command.name, command.help);
    command.add(*sub, options);
    sub->callback([&run, &command] { run = command.run; });
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& done) {
    return app.exit(done);  // --help, --version
  } catch (const CLI::ParseError& error) {
    print_note(fmt::format("{}; see gotrace-leak --help", error.what()));
    return exit_code(ErrorKind::usage);
  }
  if (!options.format.empty() && report::find_format(options.format) == nullptr) {
    print_note(fmt::format("--format {}: write text, json or jsonl", options.format));
    return exit_code(ErrorKind::usage);
  }
  return run(options);
}

}  // namespace

int run(int argc, char** argv) {
  try {
    return parse_and_run(argc, argv);
  } catch (const std::exception& error) {
    print_note(fmt::format("internal error: {}", error.what()));
    return 1;
  }
}

}  // namespace gotrace::cli
