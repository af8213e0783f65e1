// The command line: commands, options, exit codes (CONTRACT section 1).
#pragma once

namespace gotrace::cli {

// Runs the command; returns the exit code. Never throws.
int run(int argc, char** argv);

}  // namespace gotrace::cli
