// The commands, one file each; the table is in cli.cpp.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gotrace::cli {

using Arguments = std::vector<std::string>;  // without the program's and the command's name

int run_live(const Arguments& arguments);
int run_record(const Arguments& arguments);
int run_report(const Arguments& arguments);
int run_replay(const Arguments& arguments);
int run_prove(const Arguments& arguments);
int run_explain(const Arguments& arguments);
int run_list(const Arguments& arguments);
int run_doctor(const Arguments& arguments);

struct Command {
  std::string_view name;
  std::string_view synopsis;
  std::string_view help;
  int (*run)(const Arguments& arguments);
};
[[nodiscard]] const std::vector<Command>& commands();

}  // namespace gotrace::cli
