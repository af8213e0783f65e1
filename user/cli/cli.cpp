#include "cli/cli.h"

#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <exception>

#include "base/units.h"
#include "cli/commands.h"
#include "cli/messages.h"
#include "cli/output.h"
#include "cli/signals.h"
#include "process/own_memory.h"

namespace gotrace::cli {

namespace {

Status print(std::string_view text) {
  auto output = Output::open("-", false);
  return output ? output->write(text) : Status(output.error());
}

int unknown_command(const std::string& name) {
  const auto shown = escape_for_terminal(name);
  if (!name.empty() && std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; }))
    return fail({ErrorKind::usage, fmt::format("'{0}' is no command; to look at that process write -p {0}", shown)});
  return fail({ErrorKind::usage, fmt::format("'{}' is no command; gotrace-leak --help lists them", shown)});
}

int dispatch(const Arguments& arguments) {
  if (arguments.empty())
    return fail(
        {ErrorKind::usage, "no process given; write gotrace-leak -p PID (gotrace-leak list shows the Go processes)"});
  const auto& first = arguments.front();
  if (first == "--version") {
    const auto printed = print(fmt::format("gotrace-leak {}\n", GOTRACE_VERSION));
    return printed ? kDone : fail(printed.error());
  }
  if (first.starts_with('-')) return run_live(arguments);
  for (const auto& command : commands())
    if (command.name == first) return command.run({arguments.begin() + 1, arguments.end()});
  return unknown_command(first);
}

}  // namespace

const std::vector<Command>& commands() {
  static const std::vector<Command> kCommands = {
      {"record", "record -p PID -o FILE", "record until Ctrl-C, --duration, or the process's end", run_record},
      {"report", "report FILE", "a report from a recording, in any format", run_report},
      {"replay", "replay FILE", "the live screen over a recording; off a terminal as report", run_replay},
      {"prove", "prove -p PID", "which goroutines can never run again; stops it for a moment", run_prove},
      {"explain", "explain ID FILE", "one finding in full: stack, evidence, members", run_explain},
      {"list", "list", "the Go processes of this host", run_list},
      {"doctor", "doctor [-p PID]", "what works here, what does not, what to do", run_doctor},
  };
  return kCommands;
}

int run(int argc, char** argv) {
  ignore_sigpipe();
  process::be_killed_first();
  // Large blocks that are freed go back at once: by itself malloc would keep ever larger ones (mallopt(3)).
  ::mallopt(M_MMAP_THRESHOLD, 256 << 10);
  try {
    return dispatch(Arguments(argv + std::min(argc, 1), argv + argc));
  } catch (const std::exception& error) {
    say(fmt::format("internal error: {}; please report it", error.what()));
    return kFailed;
  }
}

}  // namespace gotrace::cli
