// Options, --fail-on, and which process is meant.
#include "cli/options.h"

#include <catch2/catch.hpp>

#include "cli/doctor_host.h"
#include "cli/fail_on.h"
#include "cli/messages.h"
#include "cli/target_choice.h"

using namespace gotrace;
using namespace gotrace::cli;

namespace {

std::string look_error(std::string LookArguments::*field, const char* value) {
  LookArguments arguments;
  arguments.*field = value;
  const auto options = understand(arguments);
  if (options) return "accepted";
  CHECK(options.error().kind == ErrorKind::usage);
  return options.error().text;
}

detect::Analysis with_finding(detect::Verdict verdict) {
  detect::Analysis analysis;
  detect::Finding finding;
  finding.verdict = verdict;
  analysis.findings = {finding};
  return analysis;
}

detect::Analysis without(const char* check) {
  detect::Analysis analysis;
  analysis.summary.not_checked = {{check, "reason", "fix"}};
  return analysis;
}

Result<Wanted> wanted(const char* pid, const char* name) {
  TargetArguments arguments;
  arguments.pid = pid;
  arguments.name = name;
  return understand(arguments);
}

}  // namespace

TEST_CASE("look options: defaults are those of the contract") {
  const auto options = understand(LookArguments());
  REQUIRE(options.ok());
  CHECK(options->duration_ns == 0);
  CHECK(options->interval_ns == 1'000'000'000);
  CHECK(options->stuck_after_ns == 300'000'000'000);
  CHECK(options->max_overhead == 0.01);
  CHECK(options->max_overhead_text == "1%");
  CHECK(options->max_cpu == 0.05);
  CHECK(options->probes == "auto");
}

TEST_CASE("look options: what is ambiguous or makes no sense is refused, with what to write") {
  CHECK(look_error(&LookArguments::duration, "10").find("write 10s") != std::string::npos);
  CHECK(look_error(&LookArguments::duration, "0s").find("--duration: 0") == 0);
  CHECK(look_error(&LookArguments::duration, "0").find("--duration") == 0);
  CHECK(look_error(&LookArguments::max_overhead, "1").find("1%") != std::string::npos);
  CHECK(look_error(&LookArguments::max_cpu, "5").find("5%") != std::string::npos);
  CHECK(look_error(&LookArguments::max_cpu, "0").find("--max-cpu") == 0);
  CHECK(look_error(&LookArguments::interval, "1ms").find("--interval") == 0);
  CHECK(look_error(&LookArguments::stuck_after, "0s").find("--stuck-after") == 0);
  CHECK(look_error(&LookArguments::probes, "all").find("--probes") == 0);
  CHECK(look_error(&LookArguments::buffer, "8").find("--buffer") == 0);
  CHECK(look_error(&LookArguments::buffer, "1K").find("64KiB") != std::string::npos);
}

TEST_CASE("report options") {
  ReportArguments arguments;
  REQUIRE(understand(arguments).ok());
  CHECK(understand(arguments)->format->name == "text");
  arguments.format = "xml";
  REQUIRE_FALSE(understand(arguments).ok());
  CHECK(understand(arguments).error().text.find("text|json|jsonl") != std::string::npos);
  arguments.format = "json";
  for (const char* width : {"39", "401", "x", "80 ", "-80", "99999999999"}) {
    arguments.width = width;
    CHECK_FALSE(understand(arguments).ok());
  }
  arguments.width = "100";
  CHECK(understand(arguments)->width == 100);
  arguments.fail_on = "sometimes";
  CHECK_FALSE(understand(arguments).ok());
}

TEST_CASE("option --fail-on: this level or worse is 3") {
  CHECK(judge(with_finding(detect::Verdict::leaking), FailOn::never) == kDone);
  CHECK(judge(with_finding(detect::Verdict::leaking), FailOn::suspected) == kFound);
  CHECK(judge(with_finding(detect::Verdict::leaking), FailOn::leaking) == kFound);
  CHECK(judge(with_finding(detect::Verdict::suspected), FailOn::leaking) == kDone);
  CHECK(judge(with_finding(detect::Verdict::proved), FailOn::proved) == kFound);
}

TEST_CASE("option --fail-on: what could not be judged is 4, where it matters") {
  detect::Analysis proof;
  proof.summary.checked = {"goroutine-proof"};
  CHECK(judge(proof, FailOn::proved) == kDone);
  CHECK(judge({}, FailOn::proved) == kNotJudged);
  CHECK(judge(without("heap-growth"), FailOn::never) == kDone);
  CHECK(judge(without("heap-growth"), FailOn::leaking) == kNotJudged);
  CHECK(judge(without("goroutine-stuck"), FailOn::suspected) == kNotJudged);
  CHECK(judge(without("goroutine-stuck"), FailOn::leaking) == kDone);
  CHECK(judge(without("retention"), FailOn::leaking) == kDone);
  CHECK(judge(without("retention"), FailOn::suspected) == kNotJudged);
  detect::Analysis healthy;
  healthy.summary.checked = {"goroutine-growth", "retention"};
  CHECK(judge(healthy, FailOn::proved) == kNotJudged);
  CHECK(judge(healthy, FailOn::suspected) == kDone);
  CHECK(judge(detect::Analysis(), FailOn::proved) == kNotJudged);  // nothing live can prove
  auto met = with_finding(detect::Verdict::leaking);
  met.summary.not_checked = {{"heap-growth", "", ""}};
  CHECK(judge(met, FailOn::leaking) == kFound);
}

TEST_CASE("target: PID or name") {
  CHECK(wanted("4242", "")->pid == 4242);
  CHECK(wanted("orderd", "")->name == "orderd");
  CHECK(wanted("orderd", "")->by_pid_option);
  CHECK(wanted("", "orderd")->name == "orderd");
  CHECK_FALSE(wanted("", "orderd")->by_pid_option);
  CHECK(wanted("7zip", "")->name == "7zip");
  for (const auto& [pid, name] : {std::pair("", ""), std::pair("1", "x"), std::pair("0", ""), std::pair("-5", ""),
                                  std::pair("99999999999999999999", "")}) {
    INFO(pid);
    REQUIRE_FALSE(wanted(pid, name).ok());
    CHECK(wanted(pid, name).error().kind == ErrorKind::usage);
  }
}

TEST_CASE("process table: command lines only when asked for, names escaped") {
  process::ProcessEntry entry;
  entry.pid = 4242;
  entry.exe = "/srv/or\x1b[31mderd";
  entry.container_id = "3f9c0a7be112aaaa";
  entry.rss_bytes = 5U << 20;
  entry.uptime_seconds = 842;
  entry.args = {"orderd", "--token=secret"};
  const auto plain = process_table({entry}, false);
  CHECK(plain ==
        "       PID    UPTIME        RES  CONTAINER     EXECUTABLE\n"
        "      4242    14m02s    5.0 MiB  3f9c0a7be112  /srv/or\\x1b[31mderd\n");
  CHECK(process_table({entry}, true).find("derd --token=secret\n") != std::string::npos);
}

TEST_CASE("exit codes") {
  CHECK(exit_code(ErrorKind::failed) == 1);
  CHECK(exit_code(ErrorKind::usage) == 2);
  CHECK(exit_code(ErrorKind::no_target) == 5);
  CHECK(exit_code(ErrorKind::not_permitted) == 6);
}

TEST_CASE("doctor: capabilities") {
  CHECK(effective_capabilities("Name:\tx\nCapEff:\t000001ffffffffff\nCapBnd:\t0\n") == 0x1ffffffffff);
  CHECK(effective_capabilities("Name:\tx\n") == 0);
  const auto health = [](std::uint64_t bits, const char* scope) {
    Health worst = Health::good;
    for (const auto& check : check_capabilities(bits, scope)) worst = std::max(worst, check.health);
    return worst;
  };
  constexpr std::uint64_t kPtrace = 1U << 19, kAdmin = 1U << 21;
  CHECK(health(kPtrace | kAdmin, "1") == Health::good);
  CHECK(health(kPtrace, "1") == Health::limited);
  CHECK(health(0, "0") == Health::limited);
  CHECK(health(0, "1") == Health::broken);
  for (const auto& check : check_capabilities(0, "1")) CHECK_FALSE(check.advice.empty());
}
