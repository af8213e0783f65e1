// The Go processes of this host as a table.
#pragma once

#include <string>
#include <vector>

#include "process/process_list.h"

namespace gotrace::cli {

[[nodiscard]] std::string process_table(const std::vector<process::ProcessEntry>& processes, bool show_args);

}  // namespace gotrace::cli
