// The kinds beside goroutines and call sites: each is called by its name when it grows, and nothing that walks, waves,
// fills up or churns is called anything.
#include <algorithm>
#include <catch2/catch.hpp>
#include <functional>
#include <random>

#include "detect/analyze.h"
#include "detect/related.h"
#include "scenario.h"

using gotrace::test::kSecond;
using gotrace::test::Scenario;
using namespace gotrace;
using namespace gotrace::detect;

namespace {

constexpr double kAge = 100;
constexpr int kLooks = 12;

ResourceLook look_of(ResourceKind kind, int second, std::uint64_t total) {
  ResourceLook look;
  look.kind = kind;
  look.time_ns = static_cast<std::uint64_t>((kAge + second) * 1e9);
  look.total = total;
  return look;
}

// Open files that go from `first` up by `rate` a second; each stays.
void open_files(Scenario& s, std::uint64_t first, std::uint64_t rate) {
  for (int i = 0; i < kLooks; ++i) {
    const std::uint64_t total = first + rate * static_cast<std::uint64_t>(i);
    auto look = look_of(ResourceKind::open_files, i, total);
    look.limit = 4096;
    look.arrived = i > 1 ? rate : 0;
    look.counts = {{"socket", LocationId::none, 0, total - 4}, {"pipe", LocationId::none, 0, 4}};
    s.model.accept(look);
  }
}

const Finding& only(const Analysis& analysis, const std::string& kind) {
  REQUIRE(analysis.findings.size() == 1);
  CHECK(analysis.findings[0].kind == kind);
  return analysis.findings[0];
}

bool has_evidence(const Finding& finding, const std::string& code) {
  return std::any_of(finding.evidence.begin(), finding.evidence.end(), [&](const auto& e) { return e.code == code; });
}

}  // namespace

TEST_CASE("open files that grow as they did all the time are leaking, with kind and time to the limit") {
  Scenario s(kAge);
  open_files(s, 500, 5);
  auto sockets = look_of(ResourceKind::sockets, kLooks, 500);
  sockets.counts = {{"tcp CLOSE_WAIT", LocationId::none, 0, 480}};
  s.model.accept(sockets);
  const auto analysis = analyze(s.model);
  const Finding& finding = only(analysis, "fd-leak");
  CHECK(finding.verdict == Verdict::leaking);
  CHECK(finding.growth->value == Approx(5));
  CHECK(finding.count == 555);
  CHECK(has_evidence(finding, "close-wait"));
  CHECK(has_evidence(finding, "limit"));
  CHECK_FALSE(finding.where);  // nothing says which line
  CHECK_FALSE(finding.look_at.empty());
  CHECK(analysis.summary.verdict == SummaryVerdict::leak);
}

TEST_CASE("open files that began to grow lately are suspected") {
  Scenario s(kAge);
  open_files(s, 30, 5);
  CHECK(only(analyze(s.model), "fd-leak").verdict == Verdict::suspected);
}

TEST_CASE("connections that come and go are no leak, however their number rises") {
  Scenario s(kAge);
  for (int i = 0; i < kLooks; ++i) {  // load that rises: most of what comes goes again
    auto look = look_of(ResourceKind::open_files, i, 100 + 5U * static_cast<unsigned>(i));
    look.arrived = i > 1 ? 50 : 0;
    look.left = i > 1 ? 45 : 0;
    s.model.accept(look);
  }
  CHECK(analyze(s.model).findings.empty());
}

// What settles is seen one look later than what is counted, and would show a rise that is over as one that goes on.
TEST_CASE("connections of a pool that has filled up are no leak") {
  Scenario s(kAge);
  constexpr int kFull = 7;
  for (int i = 0; i < kLooks; ++i) {
    const auto open = static_cast<std::uint64_t>(8 * std::min(i, kFull));
    auto look = look_of(ResourceKind::open_files, i, 800 + open);
    look.arrived = i > 1 && i <= kFull + 1 ? 8 : 0;
    s.model.accept(look);
  }
  CHECK(analyze(s.model).findings.empty());
}

TEST_CASE("open files at few looks are suspected: their rise may have ended between two of them") {
  Scenario s(kAge);
  for (int i = 0; i < 6; ++i) {
    auto look = look_of(ResourceKind::open_files, 2 * i, 800 + 16U * static_cast<unsigned>(i));
    look.arrived = i > 1 ? 16 : 0;
    s.model.accept(look);
  }
  CHECK(only(analyze(s.model), "fd-leak").verdict == Verdict::suspected);
}

// As one was seen on a busy machine, where looks were few: what settles came in the interval before.
TEST_CASE("connections of a pool that fills up while looks are few and uneven are no leak") {
  struct Point {
    double second;
    std::uint64_t total, arrived;
  };
  Scenario s(16);
  for (const Point& point : {Point{0, 79, 0}, Point{1.04, 87, 0}, Point{2.03, 95, 8}, Point{4.10, 113, 8},
                             Point{7.92, 127, 18}, Point{9.99, 127, 14}}) {
    auto look = look_of(ResourceKind::open_files, 0, point.total);
    look.time_ns = static_cast<std::uint64_t>((16 + point.second) * 1e9);
    look.arrived = point.arrived;
    s.model.accept(look);
  }
  CHECK(analyze(s.model).findings.empty());
}

TEST_CASE("too many files to look at each: the number alone tells") {
  Scenario s(kAge);
  for (int i = 0; i < kLooks; ++i) {
    auto look = look_of(ResourceKind::open_files, i, 100'000 + 1000U * static_cast<unsigned>(i));
    look.complete = false;
    s.model.accept(look);
  }
  CHECK(only(analyze(s.model), "fd-leak").verdict == Verdict::leaking);
}

TEST_CASE("a goroutine leak takes in the files that its goroutines hold") {
  Scenario s(kAge);
  const LocationId created = s.location("main.dial", 20);
  const StackId parked = s.stack({s.location("main.dial.func1", 22)});
  for (int i = 0; i < 500; ++i) s.start(created, parked, 4);
  for (int look = 0; look < 2 * kLooks; ++look) {
    s.look();
    s.pass(0.5);
    for (int i = 0; i < 5; ++i) s.start(created, parked, 4);
  }
  open_files(s, 1000, 10);
  const auto analysis = analyze(s.model);
  const Finding& finding = only(analysis, "goroutine-leak");
  CHECK(has_evidence(finding, "open-files-grow"));
  CHECK(has_evidence(finding, "limit"));
}

TEST_CASE("files that grow at another rate than the goroutines are a finding of their own") {
  Finding goroutines, files;
  goroutines.kind = "goroutine-leak";
  files.kind = "fd-leak";
  goroutines.trend = files.trend = Trend::growing;
  goroutines.growth = Rate{5, 4.5, 5.5};
  files.growth = Rate{40, 39, 41};
  std::vector<Finding> findings = {goroutines, files};
  relate_findings(findings);
  CHECK(findings.size() == 2);
}

TEST_CASE("a goroutine that waits for a connection may hold four files: both ends and a pipe to splice through") {
  Finding goroutines, files;
  goroutines.kind = "goroutine-leak";
  files.kind = "fd-leak";
  goroutines.trend = files.trend = Trend::growing;
  goroutines.growth = Rate{5, 4.5, 5.5};
  files.growth = Rate{20, 19, 21};
  goroutines.wait_reason = "chan receive";
  std::vector<Finding> others = {goroutines, files};
  relate_findings(others);
  CHECK(others.size() == 2);
  goroutines.wait_reason = "IO wait";
  std::vector<Finding> findings = {goroutines, files};
  relate_findings(findings);
  REQUIRE(findings.size() == 1);
  CHECK(findings[0].kind == "goroutine-leak");
  CHECK(has_evidence(findings[0], "open-files-grow"));
}

TEST_CASE("the two goroutines that a library starts for each connection are one finding; those of a program are two") {
  for (const bool library : {true, false}) {
    Finding reads;
    reads.kind = "goroutine-leak";
    reads.trend = Trend::growing;
    reads.growth = Rate{5, 4.5, 5.5};
    reads.where = Frame{"net/http.(*Transport).dialConn", "transport.go", 1944, false, library};
    Finding writes = reads;
    writes.where->line = 1945;
    writes.group_ids = {"gg-2"};
    std::vector<Finding> findings = {writes, reads};
    relate_findings(findings);
    REQUIRE(findings.size() == (library ? 1 : 2));
    CHECK(findings.back().where->line == 1944);
    if (library) CHECK(findings.front().group_ids == std::vector<std::string>{"gg-2"});
  }
}

TEST_CASE("threads that goroutines keep are one finding, a thread leak on the go statement's line") {
  Scenario s(kAge);
  const LocationId created = s.location("main.handle", 33);
  const StackId parked = s.stack({s.location("main.handle.func1", 35)});
  for (int i = 0; i < 600; ++i) s.start(created, parked, 1);
  for (int look = 0; look < 2 * kLooks; ++look) {
    s.look();
    s.pass(0.5);
    for (int i = 0; i < 3; ++i) s.start(created, parked, 1);
  }
  for (int i = 0; i < kLooks; ++i) {
    auto look = look_of(ResourceKind::threads, i, 610 + 6U * static_cast<unsigned>(i));
    look.counts = {{"go", LocationId::none, 0, look.total - 2}, {"idle", LocationId::none, 0, 2}};
    s.model.accept(look);
  }
  const auto analysis = analyze(s.model);
  const Finding& finding = only(analysis, "thread-leak");
  CHECK(finding.where->line == 33);
  CHECK(finding.verdict == Verdict::leaking);
  CHECK(finding.group_ids.size() == 1);
}

TEST_CASE("threads that the runtime keeps idle, or that no goroutine explains, are no leak; C's own are") {
  for (const bool of_c : {false, true}) {
    Scenario s(kAge);
    for (int i = 0; i < kLooks; ++i) {
      const std::uint64_t grown = 60 + 5U * static_cast<unsigned>(i);
      auto look = look_of(ResourceKind::threads, i, 10 + grown);
      look.counts = {{"go", LocationId::none, 0, 5}, {"idle", LocationId::none, 0, of_c ? 5 : 5 + grown}};
      s.model.accept(look);
    }
    const auto findings = analyze(s.model).findings;
    CHECK(findings.size() == (of_c ? 1 : 0));
  }
}

namespace {

void mapped(Scenario& s, double second, double anonymous) {
  auto look = look_of(ResourceKind::mappings, 0, 0);
  look.time_ns = static_cast<std::uint64_t>((kAge + second) * 1e9);
  look.counts = {{"anonymous", LocationId::none, 0, static_cast<std::uint64_t>(anonymous)},
                 {"go heap", LocationId::none, 0, 100 << 20}};
  s.model.accept(look);
}

// Anonymous memory grows by 1 MiB a second over a heap of 100 MiB, of `touched` bytes at first.
Analysis grown_outside(bool mappings_agree) {
  Scenario s(kAge);
  s.counters.heap_in_use_bytes = 100 << 20;
  s.send_counters();
  mapped(s, 0, 110 << 20);
  for (int i = 0; i < kLooks; ++i) {
    MemoryFigures figures;
    figures.time_ns = static_cast<std::uint64_t>((kAge + i) * 1e9);
    figures.rss_anon_bytes = figures.rss_bytes = (210ULL << 20) + (static_cast<std::uint64_t>(i) << 20);
    s.model.accept(figures);
  }
  mapped(s, kLooks - 1, mappings_agree ? (110 << 20) + (11 << 20) : 110 << 20);
  return analyze(s.model);
}

}  // namespace

TEST_CASE("memory outside the heap that grows is named; heap that is touched late is not") {
  const auto analysis = grown_outside(true);
  const Finding& finding = only(analysis, "unexplained-resident");
  CHECK(finding.verdict == Verdict::leaking);
  CHECK(finding.growth->value == Approx(1 << 20));
  CHECK(finding.growth_unit == "bytes");
  CHECK(grown_outside(false).findings.empty());
}

TEST_CASE("memory outside a heap that fills what it never touched is named by its mappings") {
  for (const bool runtime_grows : {false, true}) {
    Scenario s(kAge);
    s.counters.heap_in_use_bytes = 1000 << 20;
    s.send_counters();
    for (int i = 0; i < kLooks; ++i) {
      MemoryFigures figures;  // less than the heap's: half of it is not resident yet
      figures.time_ns = static_cast<std::uint64_t>((kAge + i) * 1e9);
      figures.rss_anon_bytes = 600ULL << 20;
      s.model.accept(figures);
      if (runtime_grows) s.counters.runtime_bytes += 1 << 20;
      s.send_counters();
      mapped(s, i, (10 << 20) + static_cast<double>(i) * (1 << 20));
    }
    const auto analysis = analyze(s.model);
    CHECK(analysis.findings.size() == (runtime_grows ? 0 : 1));
    if (!runtime_grows) CHECK(only(analysis, "unexplained-resident").growth->value == Approx(1 << 20));
  }
}

TEST_CASE("one look at the mappings is not enough to say that nothing grows outside the heap") {
  for (const int looks : {1, 2}) {
    Scenario s(kAge);
    for (int i = 0; i < looks; ++i) mapped(s, i, 1 << 20);
    for (int i = 0; i < kLooks; ++i) {
      MemoryFigures figures;
      figures.time_ns = static_cast<std::uint64_t>((kAge + i) * 1e9);
      s.model.accept(figures);
    }
    const auto missing = analyze(s.model).summary.not_checked;
    const bool unchecked =
        std::any_of(missing.begin(), missing.end(), [](const auto& m) { return m.check == "outside-heap"; });
    CHECK(unchecked == (looks == 1));
  }
}

TEST_CASE("tickers that nobody reads, of several periods, are one leak") {
  Scenario s(kAge);
  for (int i = 0; i < kLooks; ++i) {
    const std::uint64_t each = 200 + 2U * static_cast<unsigned>(i);
    auto look = look_of(ResourceKind::timers, i, 2 * each);
    look.counts = {{"unread ticker", LocationId::none, kSecond, each},
                   {"unread ticker", LocationId::none, 10 * kSecond, each}};
    s.model.accept(look);
  }
  const auto analysis = analyze(s.model);
  const Finding& finding = only(analysis, "ticker-leak");
  CHECK(finding.growth->value == Approx(4));
  CHECK(finding.verdict == Verdict::leaking);
}

TEST_CASE("copies that inlining made of one function are counted together") {
  Scenario s(kAge);
  const LocationId one = s.location("main.arm.func1", 7);
  const LocationId other = s.location("main.serve.arm.func1", 7);
  LocationRecord same;
  same.id = static_cast<LocationId>(3);
  same.frames = {{"main.serve.arm.func2", "/src/app/main.arm.func1.go", 7, false, false}};
  s.model.accept(same);
  for (int i = 0; i < kLooks; ++i) {  // they take turns: neither grows evenly by itself
    const std::uint64_t grown = 5U * static_cast<unsigned>(i);
    auto look = look_of(ResourceKind::timers, i, 0);
    const bool even = i % 2 == 0;
    look.counts = {{"function", one, 0, even ? 400 + grown : 100}, {"function", same.id, 0, even ? 0 : 300 + grown}};
    s.model.accept(look);
  }
  CHECK(other != one);
  CHECK(only(analyze(s.model), "ticker-leak").where->line == 7);
}

TEST_CASE("deferred calls of one goroutine that grow are named with the defer's line; a loop that ends is not") {
  Scenario s(kAge);
  const LocationId line = s.location("main.worker", 18);
  const LocationId batch = s.location("main.batch", 40);
  for (int i = 0; i < kLooks; ++i) {
    auto look = look_of(ResourceKind::deferred_calls, i, 0);
    look.counts = {{"main.worker.func1", line, 7, 800 + 8U * static_cast<unsigned>(i)}};
    if (i % 2 == 0) look.counts.push_back({"main.batch.func1", batch, 9, 40});
    s.model.accept(look);
  }
  const auto analysis = analyze(s.model);
  const Finding& finding = only(analysis, "deferred-in-loop");
  CHECK(finding.where->line == 18);
  CHECK(finding.verdict == Verdict::leaking);
  CHECK(finding.growth->value == Approx(8));
}

TEST_CASE(
    "deferred calls that hold back what others wait for are one finding with these; in package sync they are not") {
  for (const bool pool : {true, false}) {
    Scenario s(kAge);
    const StackId waits = s.stack({s.location("runtime.gopark", 1, true), s.location("runtime.selectgo", 2, true),
                                   s.location(pool ? "database/sql.(*DB).conn" : "sync.(*Mutex).Lock", 7, true)});
    const LocationId line = s.location("main.worker", 18);
    const LocationId request = s.location("main.serve", 30);
    const std::uint64_t worker = s.start(s.location("main.main", 5), waits, 3);
    for (int i = 0; i < 2 * kLooks; ++i) {
      s.look();
      for (int n = 0; n < 3; ++n) s.start(request, waits, 3);
      auto look = look_of(ResourceKind::deferred_calls, i / 2, 0);
      look.counts = {{"main.worker.func1", line, worker, 20}};
      if (i % 2 == 0) s.model.accept(look);
      s.pass(0.5);
    }
    s.look();
    const auto analysis = analyze(s.model);
    const Finding& finding = only(analysis, pool ? "deferred-in-loop" : "goroutine-leak");
    CHECK(finding.where->line == (pool ? 18 : 30));
    CHECK(finding.verdict >= Verdict::suspected);
    if (pool) CHECK(finding.title == "defer in a loop that waits for what it has not given back");
  }
}

namespace {

// The goroutine of the finalizers stands in the program's code (or waits for work) while its queue grows (or not).
Analysis finalizers(bool blocked, bool queue_grows) {
  Scenario s(kAge);
  const LocationId start = s.location("runtime.runfinq", 1, true);
  GoroutineState state;
  state.goid = 5;
  state.status = GoStatus::waiting;
  state.wait_reason = 2;
  state.start = start;
  state.stack = blocked ? s.stack({s.location("runtime.gopark", 1, true), s.location("main.account", 9), start})
                        : s.stack({s.location("runtime.gopark", 1, true), start});
  s.model.accept(state);
  for (int i = 0; i < 2 * kLooks; ++i) {
    s.look();
    s.pass(0.5);
    if (i == 0) {
      state.ran = false;
      s.model.accept(state);
    }
  }
  for (int i = 0; i < kLooks; ++i) {
    const std::uint64_t queued = queue_grows ? 100 + 50U * static_cast<unsigned>(i / 4) : 100;
    auto look = look_of(ResourceKind::finalizers, i, queued);
    look.counts = {{"finalizers", LocationId::none, 0, queued}};
    s.model.accept(look);
  }
  return analyze(s.model);
}

}  // namespace

TEST_CASE("a finalizer that blocks is named when others queue behind it") {
  const auto analysis = finalizers(true, true);
  const Finding& finding = only(analysis, "finalizer-leak");
  CHECK(finding.where->function == "main.account");
  CHECK(finding.verdict == Verdict::leaking);
  CHECK(finalizers(true, false).findings.empty());
  CHECK(finalizers(false, true).findings.empty());
}

TEST_CASE("objects with finalizers in cycles are named when they become more") {
  for (const bool grows : {true, false}) {
    Scenario s(kAge);
    const LocationId function = s.location("main.(*end).report", 30);
    for (int i = 0; i < kLooks; ++i) {
      const std::uint64_t count = 1000 + (grows ? 10U * static_cast<unsigned>(i) : 0U);
      auto look = look_of(ResourceKind::finalizer_cycles, i, count + 500);
      look.counts = {{"", function, 0, count}};
      s.model.accept(look);
    }
    const auto analysis = analyze(s.model);
    REQUIRE(analysis.findings.size() == (grows ? 1 : 0));
    if (!grows) continue;
    const Finding& finding = only(analysis, "finalizer-leak");
    CHECK(finding.where->function == "main.(*end).report");
    CHECK(finding.growth->value == Approx(10).epsilon(0.01));
    CHECK(has_evidence(finding, "finalizer-cycle"));
  }
}

namespace {

// Eight goroutines of one creation site; every look (or so) the stack of one of them is twice as large as before.
Analysis stacks(std::uint64_t first_bytes, bool all_along) {
  Scenario s(kAge);
  const LocationId created = s.location("main.run", 5);
  const LocationId recursion = s.location("main.walk", 12);
  std::vector<LocationId> locations(20, recursion);
  locations.insert(locations.begin(), s.location("main.walk", 10));
  const StackId deep = s.stack(locations);
  std::vector<GoroutineState> states(8);
  for (std::size_t i = 0; i < states.size(); ++i) {
    states[i].goid = i + 10;
    states[i].status = GoStatus::waiting;
    states[i].created_at = created;
    states[i].stack = deep;
    states[i].stack_bytes = first_bytes;
    s.model.accept(states[i]);
  }
  for (std::size_t look = 0; look < 21; ++look) {
    s.look();
    s.pass(0.5);
    GoroutineState& one = states[look % states.size()];
    if (!all_along && look > 8) continue;
    one.stack_bytes *= 2;
    s.model.accept(one);
  }
  return analyze(s.model);
}

}  // namespace

TEST_CASE("stacks that double all along are suspected at the call that recurs; those that warm up are not") {
  const auto analysis = stacks(1 << 20, true);
  const Finding& finding = only(analysis, "stack-growth");
  CHECK(finding.verdict == Verdict::suspected);
  CHECK(finding.where->line == 12);
  CHECK(stacks(1 << 20, false).findings.empty());  // grew, and stopped
  CHECK(stacks(8 << 10, true).findings.empty());   // as stacks of a pool do at first
}

TEST_CASE("random walks, waves, ramps that end and plateaus of all kinds: at most one finding in 10,000 windows") {
  std::mt19937 random(5);
  int findings = 0;
  const std::vector<std::function<int(int, double)>> shapes = {
      [&](int, double level) {
        return std::poisson_distribution<int>(20)(random) -
               std::min(static_cast<int>(level), std::poisson_distribution<int>(20)(random));
      },
      [&](int i, double) {
        return static_cast<int>(30 * std::sin(i * 0.7)) + std::poisson_distribution<int>(2)(random) - 2;
      },
      [&](int i, double) { return i < 6 ? std::poisson_distribution<int>(8)(random) : 0; },
      [&](int i, double) { return i == 4 ? 200 : 0; },
      [&](int i, double level) { return i % 5 == 0 ? -static_cast<int>(level) / 2 : 15; },
  };
  constexpr int kWindows = 400;
  for (int window = 0; window < kWindows; ++window) {
    for (const auto& change : shapes) {
      Scenario s(kAge);
      double level = 1000;
      for (int i = 0; i < kLooks; ++i) {
        const auto count = static_cast<std::uint64_t>(level);
        auto files = look_of(ResourceKind::open_files, i, count);
        files.complete = false;
        s.model.accept(files);
        auto threads = look_of(ResourceKind::threads, i, count);
        threads.counts = {{"go", LocationId::none, 0, 5}, {"idle", LocationId::none, 0, 5}};
        s.model.accept(threads);
        auto timers = look_of(ResourceKind::timers, i, count);
        timers.counts = {{"unread ticker", LocationId::none, kSecond, count}};
        s.model.accept(timers);
        level = std::max(0.0, level + change(i, level));
      }
      findings += static_cast<int>(analyze(s.model).findings.size());
    }
  }
  CHECK(findings <= 1);
}
