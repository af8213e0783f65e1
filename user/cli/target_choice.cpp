#include "cli/target_choice.h"

#include <charconv>

#include <fmt/format.h>

#include "cli/process_table.h"
#include "process/process_list.h"

namespace gotrace::cli {
namespace {

Result<pid_t> by_name(const std::string& name, bool by_pid_option, const Options& options) {
  const auto matches = process::go_processes_named(name);
  if (matches.size() == 1) return matches.front().pid;
  if (matches.empty())
    return Error{ErrorKind::no_target,
                 fmt::format("{}: no Go process has an executable of that name; see gotrace-leak list", name)};
  // -p is typed by a person, who needs the command lines to choose; --name is for scripts, whose logs must not hold them.
  const std::string table = process_table(matches, by_pid_option || options.show_args);
  return Error{by_pid_option ? ErrorKind::usage : ErrorKind::no_target,
               fmt::format("{}: {} processes match; choose one with -p PID\n{}", name, matches.size(), table)};
}

}  // namespace

Result<pid_t> choose_target(const Options& options) {
  if (options.pid.empty() == options.name.empty())
    return Error{ErrorKind::usage, options.pid.empty() ? "which process? write -p PID, or --name NAME; see gotrace-leak list"
                                                       : "-p and --name exclude each other"};
  if (!options.name.empty()) return by_name(options.name, false, options);
  pid_t pid = 0;
  const char* end = options.pid.data() + options.pid.size();
  const auto [rest, error] = std::from_chars(options.pid.data(), end, pid);
  if (rest != end) return by_name(options.pid, true, options);
  if (error != std::errc{} || pid <= 0)
    return Error{ErrorKind::no_target, fmt::format("pid {}: no such process", options.pid)};
  return pid;
}

}  // namespace gotrace::cli
