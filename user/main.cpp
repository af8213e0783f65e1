#include "cli/cli.h"

int main(int argc, char** argv) { return gotrace::cli::run(argc, argv); }
