// gotrace-leak doctor: what works here, what does not, and what to do about it.
#include <fmt/format.h>

#include <algorithm>

#include "base/units.h"
#include "cli/commands.h"
#include "cli/doctor_host.h"
#include "cli/messages.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/signals.h"
#include "cli/target_choice.h"

namespace gotrace::cli {

namespace {

constexpr std::uint64_t kTrialDuration = 3'000'000'000;  // ns: long enough for looks, probes and perhaps a GC

const char* mark(Health health) {
  switch (health) {
    case Health::good:
      return "ok    ";
    case Health::limited:
      return "less  ";
    case Health::broken:
      break;
  }
  return "NO    ";
}

std::string printed(const std::vector<Check>& checks) {
  std::string text;
  for (const auto& check : checks) {
    text += mark(check.health) + escape_for_terminal(check.what) + '\n';
    if (!check.effect.empty()) text += "        so      " + escape_for_terminal(check.effect) + '\n';
    if (!check.advice.empty()) text += "        to do   " + escape_for_terminal(check.advice) + '\n';
  }
  return text;
}

std::string described(const TargetInfo& target) {
  auto text = fmt::format("{}: {}", target.exe, target.go_version);
  if (target.stripped) text += ", stripped";
  if (target.pie) text += ", PIE";
  if (target.cgo) text += ", cgo";
  return text;
}

Check check_layout(const TargetInfo& target) {
  const auto what = fmt::format("struct layouts: row {} for {}", target.layout_row, target.go_version);
  if (target.layout_exact) return {Health::good, what, "", ""};
  return {Health::limited, what, "this Go version is not in the table; each source is validated before use",
          "a newer gotrace-leak may know it"};
}

Check check_source(const SourceState& source) {
  if (source.status == SourceStatus::on) return {Health::good, source.name + ": on", "", ""};
  // Without goroutines there is no main job; all else only narrows the answer.
  const bool vital = source.name == "snapshots";
  return {vital ? Health::broken : Health::limited,
          fmt::format("{}: {}, {}", source.name, detect::to_string(source.status), source.reason), "", source.fix};
}

Check check_probe(const detect::ProbeSummary& probe) {
  const auto& state = probe.state;
  const auto what = fmt::format("probe {} ({}): {}", state.name, state.symbol, detect::to_string(state.status));
  if (state.status == ProbeStatus::on) return {Health::good, what, "", ""};
  return {Health::limited, state.reason.empty() ? what : what + ", " + state.reason, "", ""};
}

std::vector<Check> check_analysis(const detect::Analysis& analysis) {
  std::vector<Check> checks;
  if (analysis.target) {
    checks.push_back({Health::good, described(*analysis.target), "", ""});
    checks.push_back(check_layout(*analysis.target));
  }
  if (analysis.goroutines.total)
    checks.push_back({Health::good,
                      fmt::format("{} goroutines read in {:.1f} ms", format_count(*analysis.goroutines.total),
                                  static_cast<double>(analysis.snapshots.last_read_ns) / 1e6),
                      "", ""});
  else
    checks.push_back({Health::broken, "no goroutine could be read", "", ""});
  for (const auto& source : analysis.sources) checks.push_back(check_source(source));
  for (const auto& probe : analysis.probes) checks.push_back(check_probe(probe));
  return checks;
}

std::vector<Check> check_target(pid_t pid, Signals& signals) {
  session::LiveOptions options;
  options.pid = pid;
  options.duration_ns = kTrialDuration;
  options.interval_ns = kTrialDuration / 6;
  session::LiveCallbacks callbacks;
  callbacks.wait = [&signals](std::uint64_t wait_ns) { return signals.wait(wait_ns, false, false); };
  const auto analysis = session::run_live(options, callbacks);
  if (!analysis) return {{Health::broken, analysis.error().text, "", ""}};
  return check_analysis(*analysis);
}

bool works(const std::vector<Check>& checks) {
  return std::none_of(checks.begin(), checks.end(), [](const Check& check) { return check.health == Health::broken; });
}

int conclude(const std::string& text, bool main_job) {
  auto output = Output::open("-", false);
  if (!output) return fail(output.error());
  if (const auto written = output->write(text); !written)
    return output->broken_pipe() ? static_cast<int>(kClosedStdout) : fail(written.error());
  return main_job ? kDone : kFailed;
}

}  // namespace

int run_doctor(const Arguments& arguments) {
  CLI::App app("What works here, what does not, and what to do about it.", "gotrace-leak doctor");
  TargetArguments target;
  target.declare(app);
  if (const auto done = parse(app, arguments)) return *done;
  const bool with_target = !target.pid.empty() || !target.name.empty();
  pid_t pid = 0;
  if (with_target) {
    const auto chosen = choose_target(target);
    if (!chosen) return fail(chosen.error());
    pid = *chosen;
  }
  const auto host = check_host();
  std::string text = "HOST\n" + printed(host);
  bool main_job = works(host);
  if (with_target) {
    auto signals = Signals::install();
    if (!signals) return fail(signals.error());
    const auto checks = check_target(pid, *signals);
    text += fmt::format("\nPROCESS {} ({:.0f} s trial)\n", pid, static_cast<double>(kTrialDuration) / 1e9);
    text += printed(checks);
    main_job = works(checks);  // the trial outweighs what the host's settings let one expect
  }
  text += main_job ? "\nThe main job works: goroutines can be read.\n"
                   : "\nThe main job does not work here: see NO above.\n";
  return conclude(text, main_job);
}

}  // namespace gotrace::cli
