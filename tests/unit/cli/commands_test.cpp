// Commands as a shell sees them: help, the man page, usage errors; output files; signals.
#include "cli/commands.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <regex>
#include <set>
#include <sstream>

#include "cli/cli.h"
#include "cli/messages.h"
#include "cli/output.h"
#include "cli/signals.h"

using namespace gotrace;
using namespace gotrace::cli;

namespace {

int run_tool(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "gotrace-leak");
  std::vector<char*> pointers;
  for (auto& argument : arguments) pointers.push_back(argument.data());
  return cli::run(static_cast<int>(pointers.size()), pointers.data());
}

std::string help_of(std::vector<std::string> arguments) {
  std::ostringstream captured;
  auto* old = std::cout.rdbuf(captured.rdbuf());
  arguments.push_back("--help");
  const int code = run_tool(std::move(arguments));
  std::cout.rdbuf(old);
  CHECK(code == 0);
  return captured.str();
}

std::string file_text(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

std::set<std::string> long_options(const std::string& text) {
  static const std::regex kOption("--[a-z][a-z-]+");
  return {std::sregex_token_iterator(text.begin(), text.end(), kOption), std::sregex_token_iterator()};
}

struct Directory {
  std::filesystem::path path;
  Directory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "gotrace-cli-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path = pattern;
  }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  ~Directory() { std::filesystem::remove_all(path); }
};

}  // namespace

TEST_CASE("the man page and --help name the same options and commands") {
  auto help = help_of({});
  for (const auto& command : commands()) help += help_of({std::string(command.name)});
  auto manual = file_text(std::string(GOTRACE_SOURCE_DIR) + "/docs/gotrace-leak.1");
  REQUIRE_FALSE(manual.empty());
  manual = std::regex_replace(manual, std::regex(R"(\\-)"), "-");
  const auto offered = long_options(help), described = long_options(manual);
  for (const auto& option : offered) {
    INFO(option);
    CHECK(described.contains(option));
  }
  for (const auto& option : described) {
    INFO(option);
    CHECK(offered.contains(option));
  }
  for (const auto& command : commands()) {
    INFO(command.name);
    CHECK(manual.find(".B gotrace-leak " + std::string(command.name)) != std::string::npos);
  }
}

TEST_CASE("what is not in this build is no command and no option") {
  for (const char* word : {"diff", "--threads"}) {
    INFO(word);
    CHECK(run_tool({word, "-p", "1"}) == kUsage);
    // As a word of its own: "proved" is a verdict that --fail-on knows.
    CHECK(help_of({}).find(std::string(word) + " ") == std::string::npos);
  }
}

TEST_CASE("usage errors exit 2, before any process is looked at") {
  CHECK(run_tool({}) == kUsage);
  CHECK(run_tool({"4242"}) == kUsage);
  CHECK(run_tool({"-p", "1", "--duration", "10"}) == kUsage);
  CHECK(run_tool({"-p", "1", "--no-such-option"}) == kUsage);
  CHECK(run_tool({"record", "-p", "1"}) == kUsage);
  CHECK(run_tool({"report"}) == kUsage);
  CHECK(run_tool({"explain", "gl-1"}) == kUsage);
  CHECK(run_tool({"-p", "1", "--record", "-"}) == kUsage);
}

TEST_CASE("no such process is 5, no such trace is 1") {
  CHECK(run_tool({"-p", "2147483646"}) == kNoTarget);
  CHECK(run_tool({"report", "/nonexistent/t.gtl"}) == kFailed);
}

TEST_CASE("output: private, never over a file or through a link unless forced") {
  const Directory directory;
  const auto path = (directory.path / "report.txt").string();
  {
    auto output = Output::open(path, false);
    REQUIRE(output.ok());
    REQUIRE(output->write("one").ok());
    REQUIRE(output->finish().ok());
  }
  CHECK(file_text(path) == "one");
  struct stat state {};
  REQUIRE(::stat(path.c_str(), &state) == 0);
  CHECK((state.st_mode & 0777) == 0600);
  const auto again = Output::open(path, false);
  REQUIRE_FALSE(again.ok());
  CHECK(again.error().text.find("exists; use --force") != std::string::npos);
  const auto link = (directory.path / "link").string();
  REQUIRE(::symlink(path.c_str(), link.c_str()) == 0);
  CHECK_FALSE(Output::open(link, false).ok());
  CHECK_FALSE(Output::open(link, true).ok());
  auto forced = Output::open(path, true);
  REQUIRE(forced.ok());
  REQUIRE(forced->write("two").ok());
  CHECK(file_text(path) == "one");  // the old one stands until the new one is complete
  REQUIRE(forced->finish().ok());
  CHECK(file_text(path) == "two");
}

TEST_CASE("output: what was not finished leaves nothing behind") {
  const Directory directory;
  {
    auto output = Output::open((directory.path / "a").string(), false);
    auto forced = Output::open((directory.path / "b").string(), true);
    REQUIRE((output.ok() && forced.ok()));
  }
  CHECK(std::filesystem::is_empty(directory.path));
}

TEST_CASE("signals: one after the other, and a stop stays asked for") {
  auto signals = Signals::install();
  REQUIRE(signals.ok());
  constexpr std::uint64_t kMillisecond = 1'000'000;
  CHECK(signals->wait(kMillisecond, false, false) == session::Request::none);
  ::raise(SIGUSR1);
  ::raise(SIGTSTP);
  CHECK(signals->wait(1000 * kMillisecond, false, false) == session::Request::report);
  CHECK(signals->wait(1000 * kMillisecond, false, false) == session::Request::suspend);
  ::raise(SIGTERM);
  CHECK(signals->wait(1000 * kMillisecond, false, false) == session::Request::stop);
  CHECK(signals->wait(kMillisecond, false, false) == session::Request::stop);
}

TEST_CASE("signals: the second one ends the process with 128+n") {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    auto signals = Signals::install();
    ::raise(SIGINT);
    ::raise(SIGTERM);
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 128 + SIGTERM);
}
