#include "cli/options.h"

#include <fmt/format.h>

#include <charconv>
#include <iostream>

#include "base/units.h"
#include "cli/messages.h"

namespace gotrace::cli {

namespace {

constexpr int kNarrowest = 40;
constexpr double kLeastCpu = 0.001;
constexpr int kWidest = 400;
constexpr std::uint64_t kShortestInterval = 100'000'000;  // ns
constexpr std::uint64_t kLongestInterval = 3'600'000'000'000;
constexpr std::uint64_t kSmallestBuffer = 64U << 10;
constexpr std::uint64_t kLargestBuffer = 1U << 30;

Error usage(std::string text) { return {ErrorKind::usage, std::move(text)}; }

template <typename T>
Error named(const char* option, const Result<T>& result) {
  return usage(fmt::format("{}: {}", option, result.error().text));
}

Result<FailOn> understand_fail_on(const std::string& text) {
  if (text.empty()) return FailOn::never;
  if (text == "suspected" || text == "any") return FailOn::suspected;
  if (text == "leaking") return FailOn::leaking;
  if (text == "proved") return FailOn::proved;
  return usage(fmt::format("--fail-on: '{}' is no verdict; write suspected, leaking, proved or any", text));
}

Result<std::optional<int>> understand_width(const std::string& text) {
  if (text.empty()) return std::optional<int>();
  int width = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), width);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || width < kNarrowest || width > kWidest)
    return usage(fmt::format("--width: '{}' is no number of columns from {} to {}", text, kNarrowest, kWidest));
  return std::optional(width);
}

std::string format_names() {
  std::string names;
  for (const auto& format : report::formats()) names += (names.empty() ? "" : "|") + std::string(format.name);
  return names;
}

}  // namespace

void TargetArguments::declare(CLI::App& app) {
  app.add_option("-p,--pid", pid, "Process to look at: its PID, or the name of its executable")->type_name("PID|NAME");
  app.add_option("-n,--name", name, "The Go process whose executable has this name")->type_name("NAME");
  app.add_flag("--show-args", show_args, "Show command lines when processes are listed (they may hold secrets)");
}

void ReportArguments::declare(CLI::App& app) {
  app.add_option("-f,--format", format, "Format of the report: text (the default), json, jsonl")
      ->type_name(format_names());
  app.add_option("-o,--output", output, "Write the report to FILE; - is stdout")->type_name("FILE");
  app.add_flag("--force", force, "Replace a file that exists");
  app.add_option("--width", width, "Columns of the text report (default: the terminal's, else 80)")->type_name("N");
  app.add_flag("--all", all, "Show every group of goroutines and every call site");
  app.add_option("--fail-on", fail_on, "Exit 3 when a finding is this bad or worse, 4 when that could not be judged")
      ->type_name("suspected|leaking|proved|any");
}

Result<ReportChoice> understand(const ReportArguments& arguments) {
  ReportChoice choice;
  choice.format = report::find_format(arguments.format.empty() ? "text" : arguments.format);
  if (choice.format == nullptr)
    return usage(fmt::format("--format: '{}' is not known; write one of {}", arguments.format, format_names()));
  const auto width = understand_width(arguments.width);
  if (!width) return width.error();
  choice.width = *width;
  const auto fail_on = understand_fail_on(arguments.fail_on);
  if (!fail_on) return fail_on.error();
  choice.fail_on = *fail_on;
  return choice;
}

void LookArguments::declare(CLI::App& app) {
  app.add_option("--duration", duration, "Look this long (10s unless on a terminal, where q or Ctrl-C ends it)")
      ->type_name("TIME");
  app.add_option("--interval", interval, "Time between two looks at all goroutines")
      ->type_name("TIME")
      ->capture_default_str();
  app.add_option("--max-overhead", max_overhead,
                 "Most that probes may take from the target: share of the CPUs it uses, or of one; 0 is none")
      ->type_name("SHARE")
      ->capture_default_str();
  app.add_option("--max-cpu", max_cpu, "Most that gotrace-leak itself may take of one CPU; it looks less often then")
      ->type_name("SHARE")
      ->capture_default_str();
  app.add_option(
         "--probes", probes,
         "auto, none, or a list of births, parks, ends, allocs (also by the runtime's names: newproc, gopark, "
         "goexit, mallocgc); allocs asks for every single allocation even where --max-overhead allows windows only")
      ->type_name("LIST")
      ->capture_default_str();
  app.add_option("--buffer", buffer, "Size of the kernel's buffer for probe events")
      ->type_name("SIZE")
      ->capture_default_str();
  app.add_flag("--assist", assist,
               "Turn the program's own heap sampler on while we look: writes 8 bytes of its memory, undone at the end");
  app.add_option("--stuck-after,--parked-threshold", stuck_after, "Parked at least this long may be called stuck")
      ->type_name("TIME")
      ->capture_default_str();
}

Result<session::LiveOptions> understand(const LookArguments& arguments) {
  session::LiveOptions options;
  if (!arguments.duration.empty()) {
    const auto duration = parse_duration_ns(arguments.duration);
    if (!duration) return named("--duration", duration);
    if (*duration == 0) return usage("--duration: 0 is no time to look; write 10s or 5m");
    options.duration_ns = *duration;
  }
  const auto interval = parse_duration_ns(arguments.interval);
  if (!interval) return named("--interval", interval);
  if (*interval < kShortestInterval || *interval > kLongestInterval)
    return usage("--interval: must be from 100ms to 1h");
  options.interval_ns = *interval;
  const auto stuck_after = understand_stuck_after(arguments.stuck_after);
  if (!stuck_after) return stuck_after.error();
  options.stuck_after_ns = stuck_after->value_or(options.stuck_after_ns);
  const auto share = parse_share(arguments.max_overhead);
  if (!share) return named("--max-overhead", share);
  options.max_overhead = *share;
  options.max_overhead_text = arguments.max_overhead;
  const auto own_share = parse_share(arguments.max_cpu);
  if (!own_share) return named("--max-cpu", own_share);
  if (*own_share < kLeastCpu) return usage("--max-cpu: must be from 0.1% to 100%");
  options.max_cpu = *own_share;
  if (const auto known = session::check_probe_names(arguments.probes); !known) return known.error();
  options.probes = arguments.probes;
  const auto buffer = parse_size_bytes(arguments.buffer);
  if (!buffer) return named("--buffer", buffer);
  if (*buffer < kSmallestBuffer || *buffer > kLargestBuffer) return usage("--buffer: must be from 64KiB to 1GiB");
  options.buffer_bytes = *buffer;
  options.assist = arguments.assist;
  return options;
}

Status check_assist(const LookArguments& look, const TargetArguments& target) {
  const bool by_number =
      target.name.empty() && target.pid.find_first_not_of("0123456789") == std::string::npos && !target.pid.empty();
  if (!look.assist || by_number) return success();
  return usage("--assist writes to the process, so that is not chosen by name; write -p PID");
}

void declare_stuck_after(CLI::App& app, std::string& into) {
  app.add_option("--stuck-after,--parked-threshold", into, "Judge by this instead of what was recorded")
      ->type_name("TIME");
}

Result<std::optional<std::uint64_t>> understand_stuck_after(const std::string& text) {
  if (text.empty()) return std::optional<std::uint64_t>();
  const auto parsed = parse_duration_ns(text);
  if (!parsed) return named("--stuck-after", parsed);
  if (*parsed == 0) return usage("--stuck-after: 0 would call every wait stuck; write 1s or more");
  return std::optional(*parsed);
}

std::optional<int> parse(CLI::App& app, std::vector<std::string> arguments) {
  std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back
  try {
    app.parse(std::move(arguments));
    return std::nullopt;
  } catch (const CLI::CallForHelp&) {
    std::cout << app.help() << std::flush;
    return kDone;
  } catch (const CLI::ParseError& error) {
    say(fmt::format("{}; {} --help lists the options", error.what(), app.get_name()));
    return kUsage;
  }
}

}  // namespace gotrace::cli
