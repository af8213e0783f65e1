#include "cli/target_choice.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <limits>

#include "base/units.h"
#include "cli/messages.h"

namespace gotrace::cli {

namespace {

constexpr std::size_t kLongestCommandLine = 200;  // bytes shown

Error usage(std::string text) { return {ErrorKind::usage, std::move(text)}; }

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

std::string command_line(const process::ProcessEntry& entry) {
  std::string text;
  for (std::size_t i = 1; i < entry.args.size() && text.size() < kLongestCommandLine; ++i)
    text += (text.empty() ? "" : " ") + entry.args[i];
  return escape_for_terminal(std::string_view(text).substr(0, kLongestCommandLine));
}

Error several(const std::string& name, const std::vector<process::ProcessEntry>& found, const Wanted& wanted,
              bool show_args) {
  const auto shown = escape_for_terminal(name);
  say(fmt::format("{} Go processes are called {}:", found.size(), shown));
  std::fputs(process_table(found, show_args || wanted.by_pid_option).c_str(), stderr);
  return {wanted.by_pid_option ? ErrorKind::usage : ErrorKind::no_target,
          fmt::format("{} is ambiguous; name one of these with -p PID", shown)};
}

}  // namespace

std::string process_table(const std::vector<process::ProcessEntry>& processes, bool show_args) {
  auto table = fmt::format("{:>10}  {:>8}  {:>9}  {:<12}  {}\n", "PID", "UPTIME", "RES", "CONTAINER",
                           show_args ? "EXECUTABLE AND ARGUMENTS" : "EXECUTABLE");
  for (const auto& entry : processes) {
    const auto container = entry.container_id.empty() ? "-" : escape_for_terminal(entry.container_id.substr(0, 12));
    table += fmt::format("{:>10}  {:>8}  {:>9}  {:<12}  {}", entry.pid, format_duration(entry.uptime_seconds),
                         format_bytes(static_cast<double>(entry.rss_bytes)), container, escape_for_terminal(entry.exe));
    if (show_args) table += " " + command_line(entry);
    while (table.back() == ' ') table.pop_back();
    table += '\n';
  }
  return table;
}

Result<Wanted> understand(const TargetArguments& arguments) {
  if (!arguments.pid.empty() && !arguments.name.empty()) return usage("-p and --name say two things; give one of them");
  if (!arguments.name.empty()) return Wanted{0, arguments.name, false};
  const auto& text = arguments.pid;
  if (text.empty()) return usage("no process given; write -p PID (gotrace-leak list shows the Go processes)");
  if (!std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; })) {
    if (text.front() == '-') return usage(fmt::format("-p: '{}' is no PID", text));
    return Wanted{0, text, true};
  }
  pid_t pid = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), pid);
  if (parsed.ec != std::errc() || pid <= 0) return usage(fmt::format("-p: '{}' is no PID", text));
  return Wanted{pid, "", true};
}

Result<pid_t> choose_target(const TargetArguments& arguments) {
  const auto wanted = understand(arguments);
  if (!wanted) return wanted.error();
  if (wanted->pid > 0) return wanted->pid;
  const auto found = process::go_processes_named(base_name(wanted->name));
  if (found.empty())
    return Error{ErrorKind::no_target,
                 fmt::format("no Go process is called {}; gotrace-leak list shows those there are",
                             escape_for_terminal(wanted->name))};
  if (found.size() > 1) return several(wanted->name, found, *wanted, arguments.show_args);
  return found.front().pid;
}

}  // namespace gotrace::cli
