// Schedule, --probes, hub and replay: what a session does besides reading a process.
#include "session/session.h"

#include <stdlib.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "session/hub.h"
#include "session/probe_choice.h"
#include "session/schedule.h"

using namespace gotrace;
using namespace gotrace::session;

namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;

class Directory {
 public:
  Directory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "gotrace-session-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  ~Directory() { std::filesystem::remove_all(path_); }
  [[nodiscard]] std::string file(const char* name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

GoroutineState parked(std::uint64_t goid) {
  GoroutineState state;
  state.goid = goid;
  state.status = GoStatus::waiting;
  state.ran = false;
  return state;
}

// Ten looks, one a second, at goroutines of which one more is there each time.
void send_session(RecordSink& sink, bool end) {
  SessionStart start;
  start.tool_version = "test";
  start.wall_ns = 1'795'403'232 * static_cast<std::int64_t>(kSecond);
  start.time_ns = 100 * kSecond;
  start.stuck_after_ns = 300 * kSecond;
  start.max_overhead = "1%";
  sink.accept(start);
  TargetInfo target;
  target.pid = 4242;
  target.exe = "/usr/bin/orderd";
  sink.accept(target);
  for (std::uint32_t i = 1; i <= 10; ++i) {
    sink.accept(parked(i));
    Snapshot look;
    look.time_ns = (100 + i) * kSecond;
    look.sequence = i;
    look.goroutines = i;
    sink.accept(look);
  }
  if (end) sink.accept(SessionEnd{111 * kSecond, EndReason::signal, 5, 6});
}

std::string recorded(const Directory& directory, bool end) {
  const auto path = directory.file("t.gtl");
  auto writer = trace::Writer::create(path, true);
  REQUIRE(writer.ok());
  send_session(**writer, end);
  REQUIRE((*writer)->finish().ok());
  return path;
}

}  // namespace

TEST_CASE("schedule: looks keep their beat") {
  Schedule schedule(kSecond, 0.05);
  CHECK(schedule.due(5));
  schedule.done(10 * kSecond, 10 * kSecond + 1000, 1000);
  CHECK(schedule.next_ns() == 11 * kSecond);
  CHECK_FALSE(schedule.due(11 * kSecond - 1));
  // A little late: the beat stays.
  schedule.done(11 * kSecond + kSecond / 10, 11 * kSecond + kSecond / 10 + 1000, 1000);
  CHECK(schedule.next_ns() == 12 * kSecond);
  // Much too late: a new beat, nothing piles up.
  schedule.done(20 * kSecond, 20 * kSecond + 1000, 1000);
  CHECK(schedule.next_ns() == 21 * kSecond);
}

TEST_CASE("schedule: a dear look stretches the interval, so that looks stay below 5 % of the time") {
  Schedule schedule(kSecond, 0.05);
  schedule.done(10 * kSecond, 13 * kSecond,
                3 * kSecond);  // the first one reads all names: not what the next ones will cost
  CHECK(schedule.next_ns() == 13 * kSecond);
  schedule.done(13 * kSecond, 13 * kSecond + kSecond / 10, kSecond / 10);
  CHECK(schedule.next_ns() == 15 * kSecond);
}

TEST_CASE("schedule: a look that lasts long because others use the CPU does not stretch the interval") {
  Schedule schedule(kSecond, 0.01);
  schedule.done(10 * kSecond, 10 * kSecond + 1000, 1000);
  schedule.done(11 * kSecond, 11 * kSecond + kSecond / 10, kSecond / 1000);
  CHECK(schedule.next_ns() == 12 * kSecond);
}

TEST_CASE("schedule: what --max-cpu allows decides how far looks are stretched") {
  for (const double share : {0.01, 0.05, 0.5}) {
    Schedule schedule(kSecond, share);
    schedule.done(kSecond, kSecond, 0);
    std::uint64_t now = 0;
    std::uint64_t looked = 0;
    constexpr std::uint64_t kCost = kSecond / 4;
    for (int i = 0; i < 50; ++i) {
      now = schedule.next_ns();
      schedule.done(now, now + kCost, kCost);
      looked += kCost;
    }
    CHECK(static_cast<double>(looked) / static_cast<double>(now) <= share * 1.02);
    CHECK(schedule.next_ns() - now >= kSecond / 2);
  }
}

TEST_CASE("schedule: the parts of --max-cpu leave some of it for draining") {
  const CpuShares shares(0.05);
  CHECK(shares.goroutines + shares.slow_looks + shares.screen < 0.05);
  CHECK(shares.screen > 0);
}

TEST_CASE("option --probes: lists, aliases, none, and what is not known") {
  REQUIRE(parse_probes("none").ok());
  CHECK_FALSE(parse_probes("none").value().has_value());
  const auto every = *parse_probes("auto").value();
  CHECK((every.births && every.parks && every.ends && every.allocations && every.every_allocation));
  CHECK_FALSE(every.every_allocation_in_windows);
  const auto some = *parse_probes("newproc,ends").value();
  CHECK((some.births && some.ends && !some.parks && !some.allocations && !some.every_allocation));
  const auto exact = *parse_probes("mallocgc").value();
  CHECK((exact.allocations && exact.every_allocation && exact.every_allocation_in_windows && !exact.births));
  for (const char* bad : {"", "births,", "everything", "auto,births", "Births"}) {
    INFO(bad);
    REQUIRE_FALSE(parse_probes(bad).ok());
    CHECK(parse_probes(bad).error().kind == ErrorKind::usage);
  }
}

TEST_CASE("hub: a source that fails is told once, one that is off is not") {
  std::vector<std::string> warnings;
  Hub hub(nullptr, [&](const std::string& text) { warnings.push_back(text); });
  hub.accept(SourceState{1, "stacks", SourceStatus::failed, "torn", "update"});
  hub.accept(SourceState{2, "stacks", SourceStatus::failed, "torn", "update"});
  hub.accept(SourceState{3, "heap-profile", SourceStatus::off, "rate is 0", ""});
  CHECK(warnings.empty());  // held back until there is a session
  hub.release_warnings();
  CHECK(warnings == std::vector<std::string>{"stacks off: torn; update"});
  CHECK(hub.model().sources().size() == 2);
}

TEST_CASE("hub: probes that could not be attached are one line a reason") {
  std::vector<std::string> warnings;
  Hub hub(nullptr, [&](const std::string& text) { warnings.push_back(text); });
  hub.release_warnings();
  ProbeState births;
  births.name = "births";
  births.symbol = "runtime.newproc";
  births.status = ProbeStatus::failed;
  births.reason = "CAP_BPF missing";
  hub.accept(births);
  hub.warn_about_probes();
  ProbeState ends = births;
  ends.name = "ends";
  ends.symbol = "runtime.goexit1";
  ends.status = ProbeStatus::on;
  hub.accept(ends);
  hub.warn_about_probes();
  CHECK(warnings == std::vector<std::string>{
                        "probes off: CAP_BPF missing; goroutines and the heap profile are still read",
                        "probes off (births): CAP_BPF missing; goroutines and the heap profile are still read"});
}

TEST_CASE("replay: the records of the trace through the model") {
  const Directory directory;
  const auto replayed = replay(recorded(directory, true), std::nullopt);
  REQUIRE(replayed.ok());
  CHECK(replayed->trouble.empty());
  CHECK(replayed->analysis.target->pid == 4242);
  CHECK(replayed->analysis.goroutines.total == 10);
  CHECK(replayed->analysis.window.end == EndReason::signal);
  CHECK_FALSE(replayed->analysis.recorded_stuck_after_ns.has_value());
}

TEST_CASE("replay: --stuck-after overrides, and says what was recorded") {
  const Directory directory;
  const auto path = recorded(directory, true);
  const auto replayed = replay(path, kSecond);
  REQUIRE(replayed.ok());
  CHECK(replayed->analysis.session.stuck_after_ns == kSecond);
  CHECK(replayed->analysis.recorded_stuck_after_ns == 300 * kSecond);
  CHECK_FALSE(replay(path, 300 * kSecond)->analysis.recorded_stuck_after_ns.has_value());  // the same: no override
}

TEST_CASE("replay: each look can be shown, with the time between them") {
  const Directory directory;
  std::vector<std::uint64_t> gaps;
  std::uint64_t last_total = 0;
  const auto replayed =
      replay(recorded(directory, true), std::nullopt, [&](const auto& analysis, std::uint64_t elapsed) {
        gaps.push_back(elapsed);
        last_total = analysis.goroutines.total.value_or(0);
      });
  REQUIRE(replayed.ok());
  REQUIRE(gaps.size() == 10);
  CHECK(gaps.front() == 0);
  CHECK(gaps.back() == kSecond);
  CHECK(last_total == 10);
}

TEST_CASE("replay: a file that is not there, and one that was cut") {
  const Directory directory;
  CHECK_FALSE(replay(directory.file("none.gtl"), std::nullopt).ok());
  const auto path = recorded(directory, true);
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 3);
  const auto replayed = replay(path, std::nullopt);
  REQUIRE(replayed.ok());
  CHECK(replayed->trouble.find("ends early") != std::string::npos);
}

TEST_CASE("live: targets that can't be looked at") {
  LiveOptions options;
  options.pid = ::getpid();
  const auto ourselves = run_live(options, {});
  REQUIRE_FALSE(ourselves.ok());
  CHECK(ourselves.error().kind == ErrorKind::no_target);
  options.pid = 0x7ffffffe;
  REQUIRE_FALSE(run_live(options, {}).ok());
}

TEST_CASE("live: no trace is made when the target can't be looked at") {
  const Directory directory;
  LiveOptions options;
  options.pid = 0x7ffffffe;
  options.record_path = directory.file("t.gtl");
  REQUIRE_FALSE(run_live(options, {}).ok());
  CHECK_FALSE(std::filesystem::exists(options.record_path));
}
