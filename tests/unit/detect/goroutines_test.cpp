#include "detect/goroutines.h"

#include <catch2/catch.hpp>
#include <deque>

#include "detect/analyze.h"
#include "scenario.h"

using gotrace::test::Scenario;
using namespace gotrace;
using namespace gotrace::detect;

namespace {

struct Places {
  explicit Places(Scenario& s, std::uint8_t wait = 2)
      : reason(wait),
        created(s.location("main.(*API).quote", 88)),
        parked(s.stack({s.location("runtime.gopark", 1, true), s.location("main.(*API).quote.func1", 91)})) {}
  std::uint8_t reason;
  LocationId created;
  StackId parked;
};

// A leak of `rate` goroutines a second since the process began, watched for ten seconds.
Analysis steady_leak(Scenario& s, const Places& p, double age, double rate) {
  for (int i = 0; i < age * rate; ++i) s.start(p.created, p.parked, p.reason, 0xc000 + 8U * static_cast<unsigned>(i));
  double owed = 0;
  for (int look = 0; look < 21; ++look) {
    s.look();
    s.pass(0.5);
    for (owed += rate / 2; owed >= 1; owed -= 1) s.start(p.created, p.parked, p.reason, 0xd000);
  }
  return analyze(s.model);
}

const Finding* only_goroutine_finding(const Analysis& analysis) {
  REQUIRE(analysis.findings.size() == 1);
  CHECK(analysis.findings[0].kind == "goroutine-leak");
  return &analysis.findings[0];
}

}  // namespace

TEST_CASE("a steady leak is leaking, on the go statement's line, at its rate") {
  Scenario s(100);
  const Places p(s);
  const auto analysis = steady_leak(s, p, 100, 5);
  const Finding* finding = only_goroutine_finding(analysis);
  CHECK(finding->verdict == Verdict::leaking);
  CHECK(finding->where->line == 88);
  CHECK(finding->blocked_at->line == 91);
  CHECK(finding->wait_reason == "chan send");
  CHECK(finding->growth->value == Approx(5).epsilon(0.1));
  CHECK(analysis.summary.verdict == SummaryVerdict::leak);
}

// A P takes 16 ids at a time, so what is born after the first look may have an id from before it.
TEST_CASE("a slow leak in a young process is leaking although its ids are older than its goroutines") {
  Scenario s(1);
  const Places p(s);
  const Places pool(s, 1);
  for (int i = 0; i < 10000; ++i) s.start(pool.created, pool.parked, pool.reason, 0xc000);
  constexpr std::uint64_t kBatch = 16;
  std::uint64_t next = s.skip_goids(2 * kBatch);
  std::uint64_t left = 2 * kBatch;
  const auto leak_one = [&] {
    if (left == 0) {
      next = s.skip_goids(kBatch);
      left = kBatch;
    }
    s.start_as(next, p.created, p.parked, p.reason, 0xd000 + 8 * next);
    ++next;
    --left;
  };
  for (int i = 0; i < 5; ++i) leak_one();
  for (int look = 0; look < 21; ++look) {
    s.look();
    s.pass(0.5);
    for (int i = 0; i < 2 + look % 2; ++i) leak_one();
  }
  const auto analysis = analyze(s.model);
  const Finding* finding = only_goroutine_finding(analysis);
  CHECK(finding->verdict == Verdict::leaking);
  CHECK(finding->growth->value == Approx(5).epsilon(0.1));
}

TEST_CASE("a leak that began lately is suspected, not leaking") {
  Scenario s(1000);
  const Places p(s);
  s.skip_goids(100000);
  const auto analysis = steady_leak(s, p, 10, 5);
  CHECK(only_goroutine_finding(analysis)->verdict == Verdict::suspected);
}

TEST_CASE("a pool that fills and stops is no leak") {
  Scenario s(16);
  const Places p(s);
  for (int i = 0; i < 10; ++i) s.start(p.created, p.parked, 2);
  s.skip_goids(1600);
  for (int look = 0; look < 21; ++look) {
    s.look();
    s.pass(0.5);
    s.skip_goids(50);
    if (look < 12) {
      s.start(p.created, p.parked, 2);
      s.start(p.created, p.parked, 2);
    }
  }
  for (const Finding& finding : analyze(s.model).findings) CHECK(finding.verdict == Verdict::suspected);
}

TEST_CASE("a pool from the start that begins to grow much later is suspected, not leaking") {
  Scenario s(17);
  const Places p(s);
  for (int i = 0; i < 150; ++i) s.start(p.created, p.parked, 2);
  s.skip_goids(1350);  // 14 s of requests
  for (int i = 0; i < 24; ++i) s.start(p.created, p.parked, 2), s.skip_goids(11);
  for (int look = 0; look < 21; ++look) {
    s.look();
    s.pass(0.5);
    for (int i = 0; i < 4; ++i) s.start(p.created, p.parked, 2);
    s.skip_goids(46);
  }
  CHECK(only_goroutine_finding(analyze(s.model))->verdict == Verdict::suspected);
}

TEST_CASE("a leak beside a pool of the same go statement is leaking") {
  Scenario s(20);
  const Places p(s);
  for (int i = 0; i < 50; ++i) s.start(p.created, p.parked, 2);
  for (int i = 0; i < 160; ++i) s.start(p.created, p.parked, 2), s.skip_goids(11);
  for (int look = 0; look < 21; ++look) {
    s.look();
    s.pass(0.5);
    for (int i = 0; i < 4; ++i) s.start(p.created, p.parked, 2);
    s.skip_goids(44);
  }
  CHECK(only_goroutine_finding(analyze(s.model))->verdict == Verdict::leaking);
}

TEST_CASE("a leak in a process whose other goroutines become fewer when we come is leaking") {
  Scenario s(4);
  const Places p(s);
  for (int i = 0; i < 32; ++i) s.start(p.created, p.parked, 2), s.skip_goids(11);
  for (int look = 0; look < 21; ++look) {
    s.look();
    s.pass(0.5);
    for (int i = 0; i < 4; ++i) s.start(p.created, p.parked, 2), s.skip_goids(3);
  }
  CHECK(only_goroutine_finding(analyze(s.model))->verdict == Verdict::leaking);
}

TEST_CASE("sessions that rise faster and faster are suspected, not leaking") {
  Scenario s(15);
  const Places p(s);
  for (int second = 1; second <= 15; ++second) {
    for (int i = 0; i < second; ++i) s.start(p.created, p.parked, 2);
    s.skip_goids(static_cast<std::uint64_t>(100 - second));
  }
  for (int look = 0; look < 21; ++look) {
    s.look();
    s.pass(0.5);
    for (int i = 0; i < (15 + look / 2) / 2; ++i) s.start(p.created, p.parked, 2);
    s.skip_goids(static_cast<std::uint64_t>(50 - (15 + look / 2) / 2));
  }
  CHECK(only_goroutine_finding(analyze(s.model))->verdict == Verdict::suspected);
}

TEST_CASE("a leak as fast as the floor that is printed is found 19 times of 20, one of half of it seldom") {
  std::mt19937 random(3);
  const auto share_found = [&random](double rate, double* floor) {
    constexpr int kWindows = 400;
    int found = 0;
    for (int window = 0; window < kWindows; ++window) {
      Scenario s(100);
      const Places p(s);
      std::poisson_distribution<int> before(100 * rate);
      std::poisson_distribution<int> some(rate / 2);
      for (int i = before(random); i > 0; --i) s.start(p.created, p.parked, p.reason, 0xc000);
      for (int look = 0; look < 21; ++look) {
        s.look();
        s.pass(0.5);
        for (int i = some(random); i > 0; --i) s.start(p.created, p.parked, p.reason, 0xc000);
      }
      const auto analysis = analyze(s.model);
      found += analysis.findings.empty() ? 0 : 1;
      if (floor != nullptr) *floor = *analysis.summary.floor_goroutines_per_second;
    }
    return static_cast<double>(found) / kWindows;
  };
  double floor = 0;
  static_cast<void>(share_found(1, &floor));
  CHECK(share_found(floor, nullptr) >= 0.95);
  CHECK(share_found(floor / 2, nullptr) < 0.5);
}

namespace {

// `size` goroutines every `every` half seconds, since the process began `age` seconds ago; each stays.
Analysis leak_in_bursts(Scenario& s, const Places& p, double age, int size, int every) {
  for (int step = 0; step < age * 2; ++step) {
    s.skip_goids(50);
    for (int i = 0; i < size && step % every == 0; ++i) s.start(p.created, p.parked, p.reason, 0xc000);
  }
  for (int look = 0; look < 21; ++look) {
    s.look();
    s.pass(0.5);
    s.skip_goids(50);
    for (int i = 0; i < size && look % every == 0; ++i) s.start(p.created, p.parked, p.reason, 0xd000);
  }
  return analyze(s.model);
}

}  // namespace

TEST_CASE("a leak in bursts is leaking when as many bursts as it took all stayed") {
  Scenario s(100);
  const Places p(s);
  const auto analysis = leak_in_bursts(s, p, 100, 10, 4);
  const Finding* finding = only_goroutine_finding(analysis);
  CHECK(finding->verdict == Verdict::leaking);
  CHECK(finding->growth->value == Approx(5).epsilon(0.2));
}

TEST_CASE("a leak of few bursts in a young process is suspected") {
  Scenario s(8);
  const Places p(s);
  CHECK(only_goroutine_finding(leak_in_bursts(s, p, 8, 10, 4))->verdict == Verdict::suspected);
}

TEST_CASE("one burst that stays is no finding, but nobody says that the count is flat") {
  Scenario s(100);
  const Places p(s);
  const auto analysis = leak_in_bursts(s, p, 0, 60, 100);
  CHECK(analysis.findings.empty());
  REQUIRE(analysis.goroutines.unjudged_bursts.has_value());
  CHECK(analysis.goroutines.unjudged_bursts->goroutines == 60);
  CHECK(analysis.goroutines.unjudged_bursts->bursts == 1);
  for (const auto& not_checked : analysis.summary.not_checked) CHECK(not_checked.check != "goroutine-growth");
}

TEST_CASE("growth in two bursts is not checked: that is no all-clear") {
  Scenario s(100);
  const Places p(s);
  const auto analysis = leak_in_bursts(s, p, 0, 60, 12);
  CHECK(analysis.findings.empty());
  REQUIRE(analysis.goroutines.unjudged_bursts.has_value());
  const auto& not_checked = analysis.summary.not_checked;
  CHECK(std::any_of(not_checked.begin(), not_checked.end(),
                    [](const auto& check) { return check.check == "goroutine-growth"; }));
}

TEST_CASE("bursts of which each ends as another comes are no finding") {
  std::mt19937 random(11);
  int findings = 0;
  for (int window = 0; window < 2000; ++window) {
    Scenario s(100);
    const Places p(s);
    std::deque<std::uint64_t> alive;
    std::bernoulli_distribution up(0.5);
    const auto step = [&] {
      s.skip_goids(50);
      for (int i = 0; i < 10; ++i) {
        if (i == 0 && alive.size() >= 10 && !up(random)) {
          for (int k = 0; k < 10; ++k) s.end(alive.front()), alive.pop_front();
          return;
        }
        alive.push_back(s.start(p.created, p.parked, p.reason, 0xc000));
      }
    };
    for (int i = 0; i < 100; ++i) step();
    for (int look = 0; look < 21; ++look) {
      s.look();
      s.pass(0.5);
      if (look % 2 == 0) step();
    }
    findings += static_cast<int>(analyze(s.model).findings.size());
  }
  CHECK(findings == 0);
}

TEST_CASE("requests that come and go do not hide a slow leak") {
  Scenario s(60);
  const Places p(s);
  const LocationId request = s.location("main.handle", 10);
  std::deque<std::uint64_t> running;
  for (int i = 0; i < 60; ++i) s.start(p.created, p.parked, 2), s.skip_goids(1000);
  for (int look = 0; look < 21; ++look) {
    s.look();
    s.pass(0.5);
    while (!running.empty()) s.end(running.front()), running.pop_front();
    for (int i = 0; i < 200; ++i) running.push_back(s.start(request, p.parked, 4));
    s.skip_goids(300);
    s.start(p.created, p.parked, 2);
  }
  const auto analysis = analyze(s.model);
  REQUIRE(analysis.findings.size() == 1);
  CHECK(analysis.findings[0].where->line == 88);
  CHECK(analysis.findings[0].growth->value == Approx(2).epsilon(0.1));
}

TEST_CASE("random walks of parked goroutines: at most one finding in 10,000 site-windows") {
  std::mt19937 random(7);
  int findings = 0;
  constexpr int kWindows = 1000;
  for (int window = 0; window < kWindows; ++window) {
    Scenario s(100);
    std::vector<Places> places;
    for (int site = 0; site < 10; ++site) places.emplace_back(s);
    // Places share names: give each its own line, or they would be one site.
    for (int site = 0; site < 10; ++site)
      places[static_cast<std::size_t>(site)].created = s.location("main.walk", 100 + site);
    std::vector<std::deque<std::uint64_t>> queues(10);
    for (std::size_t site = 0; site < 10; ++site)
      for (int i = 0; i < 100; ++i) queues[site].push_back(s.start(places[site].created, places[site].parked, 1, 0xc0));
    for (int look = 0; look < 21; ++look) {
      s.look();
      s.pass(0.5);
      for (std::size_t site = 0; site < 10; ++site) {
        std::poisson_distribution<int> some(static_cast<double>(site + 1));
        for (int i = some(random); i > 0; --i)
          queues[site].push_back(s.start(places[site].created, places[site].parked, 1, 0xc0));
        for (int i = some(random); i > 0 && !queues[site].empty(); --i)
          s.end(queues[site].front()), queues[site].pop_front();
      }
    }
    findings += static_cast<int>(analyze(s.model).findings.size());
  }
  CHECK(findings <= 1);
}

namespace {

Analysis stuck(Scenario& s, const Places& p, bool own_channel, std::uint64_t parent_step) {
  for (unsigned i = 0; i < 5000; ++i) {
    s.start(p.created, p.parked, p.reason, own_channel ? 0xc000 + 96UL * i : 0xc000, 1 + parent_step * i);
    s.skip_goids(parent_step);
  }
  s.look();
  s.pass(400);
  s.look();
  s.pass(1);
  s.look();
  return analyze(s.model);
}

}  // namespace

TEST_CASE("5,000 that stopped growing are suspected, with their age") {
  Scenario s(5000);
  const Places p(s);
  const auto analysis = stuck(s, p, true, 2);
  const Finding* finding = only_goroutine_finding(analysis);
  CHECK(finding->verdict == Verdict::suspected);
  CHECK(finding->count == 5000U);
  CHECK(finding->since_seconds_at_least.value() >= 400);
}

TEST_CASE("a pool on one channel is no finding") {
  Scenario s(5000);
  const Places p(s, 1);
  CHECK(stuck(s, p, false, 0).findings.empty());
}

TEST_CASE("a pool with a channel each is cleared by who holds them and how they came to be") {
  Scenario s(5000);
  const Places p(s, 1);
  CHECK(stuck(s, p, true, 0).findings.size() == 1);
  const auto cohorts = cohorts_to_check(s.model);
  REQUIRE(cohorts.size() == 1);
  CHECK(cohorts[0].cohort_goids.size() == 5000);
  for (const auto& waiter : cohorts[0].waiters) {
    WaitObjectHolders holders;
    holders.goid = waiter.goid;
    holders.address = waiter.address;
    holders.heap_objects = 1;
    holders.held_heap_objects = 1;
    s.model.accept(holders);
  }
  CHECK(analyze(s.model).findings.empty());
}

TEST_CASE("senders on one channel are a backlog that nobody reads, not a pool") {
  Scenario s(5000);
  const Places p(s, 2);
  CHECK(stuck(s, p, false, 2).findings.size() == 1);
}
