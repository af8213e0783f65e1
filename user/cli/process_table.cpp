#include "cli/process_table.h"

#include <fmt/format.h>

#include "base/terminal_text.h"
#include "base/units.h"

namespace gotrace::cli {

std::string process_table(const std::vector<process::ProcessEntry>& processes, bool show_args) {
  std::string table = fmt::format("{:>8} {:>9} {:>9}  {:<12} {}\n", "PID", "UPTIME", "RES", "CONTAINER",
                                  show_args ? "COMMAND" : "EXECUTABLE");
  for (const process::ProcessEntry& entry : processes) {
    std::string command = entry.exe;
    if (show_args && !entry.args.empty()) {
      command.clear();
      for (const std::string& argument : entry.args) command += (command.empty() ? "" : " ") + argument;
    }
    table += fmt::format("{:>8} {:>9} {:>9}  {:<12} {}\n", entry.pid, format_duration(entry.uptime_seconds),
                         format_bytes(static_cast<double>(entry.rss_bytes)),
                         entry.container_id.empty() ? "-" : entry.container_id.substr(0, 12),
                         escape_for_terminal(command));
  }
  if (!table.empty()) table.pop_back();
  return table;
}

}  // namespace gotrace::cli
