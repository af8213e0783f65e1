#include <algorithm>
#include <catch2/catch.hpp>
#include <random>

#include "detect/analyze.h"
#include "scenario.h"

using gotrace::test::Scenario;
using namespace gotrace;
using namespace gotrace::detect;

namespace {

constexpr std::size_t kClass = 2;  // 1,024 bytes here

std::vector<const CallSite*> growing(const Analysis& analysis) {
  std::vector<const CallSite*> result;
  for (const CallSite& site : analysis.call_sites)
    if (site.trend == Trend::growing) result.push_back(&site);
  return result;
}

}  // namespace

TEST_CASE("a map that grows by 1 MiB/s is found at its rate") {
  Scenario s(100);
  const StackId put = s.stack({s.location("runtime.mallocgc", 1, true), s.location("main.put", 41)});
  s.allocate(kClass, 102400);
  for (int i = 0; i < 40; ++i) {
    s.collect();
    s.fates({});
    s.pass(0.25);
    s.allocate(kClass, 256 + 100);
    s.free(kClass, 100);
    for (int k = 0; k < 10; ++k) s.sample(put, kClass, 8);
  }
  s.collect();
  const auto analysis = analyze(s.model);
  const auto sites = growing(analysis);
  REQUIRE(sites.size() == 1);
  CHECK(sites[0]->stack.front().function == "main.put");
  CHECK(sites[0]->growth_bytes->value == Approx(1048576).epsilon(0.05));
  REQUIRE(analysis.findings.size() == 1);
  CHECK(analysis.findings[0].verdict == Verdict::leaking);
}

TEST_CASE("growth goes to the site whose objects survive, not to the one that allocates most") {
  Scenario s(100);
  const StackId leak = s.stack({s.location("main.keep", 5)});
  const StackId churn = s.stack({s.location("main.churn", 9)});
  std::vector<std::uint64_t> garbage;
  for (int i = 0; i < 40; ++i) {
    s.collect();
    s.fates(garbage);
    garbage.clear();
    s.pass(0.25);
    s.allocate(kClass, 100 + 1000);
    s.free(kClass, 1000);
    for (int k = 0; k < 2; ++k) s.sample(leak, kClass, 8);
    for (int k = 0; k < 20; ++k) {
      s.sample(churn, kClass, 8);
      garbage.push_back(s.last_sample());
    }
  }
  s.collect();
  s.fates(garbage);
  const auto analysis = analyze(s.model);
  const auto sites = growing(analysis);
  REQUIRE(sites.size() == 1);
  CHECK(sites[0]->stack.front().function == "main.keep");
  CHECK(sites[0]->growth_bytes->value == Approx(400 * 1024).epsilon(0.15));
}

TEST_CASE("a quiet heap: two collections, everything survives") {
  Scenario s(5);
  const StackId keep = s.stack({s.location("main.quietKeep", 3)});
  for (int i = 0; i < 100; ++i) {
    if (i == 30 || i == 70) {
      s.collect();
      s.fates({});
    }
    s.send_counters();
    s.pass(0.1);
    s.allocate(kClass, 100);
    for (int k = 0; k < 3; ++k) s.sample(keep, kClass, 8);
  }
  s.send_counters();
  const auto sites = growing(analyze(s.model));
  REQUIRE(sites.size() == 1);
  CHECK(sites[0]->growth_bytes->value == Approx(1000 * 1024).epsilon(0.1));
}

TEST_CASE("a start-up burst that one collection sees alive is no leak") {
  Scenario s(5);
  const StackId init = s.stack({s.location("main.setUp", 3)});
  s.allocate(kClass, 300);
  for (int i = 0; i < 100; ++i) {
    if (i == 40) {
      s.collect();
      s.fates({});
    }
    s.send_counters();
    s.pass(0.1);
    s.allocate(kClass, i < 15 ? 100 : i % 10 == 0 ? 1 : 0);
    if (i < 15) s.sample(init, kClass, 8);
  }
  s.send_counters();
  const auto analysis = analyze(s.model);
  CHECK(analysis.findings.empty());
  CHECK(analysis.summary.verdict == SummaryVerdict::insufficient_data);
}

TEST_CASE("one collection accuses nobody, however steadily something grows") {
  Scenario s(5);
  const StackId keep = s.stack({s.location("main.keep", 3)});
  for (int i = 0; i < 100; ++i) {
    if (i == 50) {
      s.collect();
      s.fates({});
    }
    s.send_counters();
    s.pass(0.1);
    s.allocate(kClass, 100);
    s.sample(keep, kClass, 8);
  }
  s.send_counters();
  const auto analysis = analyze(s.model);
  CHECK(growing(analysis).empty());
  CHECK(analysis.findings.empty());
  const auto& missing = analysis.summary.not_checked;
  CHECK(std::any_of(missing.begin(), missing.end(), [](const auto& m) { return m.check == "heap-growth"; }));
}

TEST_CASE("no collection at all: not checked, and said so") {
  Scenario s(5);
  const StackId keep = s.stack({s.location("main.keep", 3)});
  for (int i = 0; i < 100; ++i) {
    s.send_counters();
    s.pass(0.1);
    s.allocate(kClass, 100);
    s.sample(keep, kClass, 8);
  }
  const auto analysis = analyze(s.model);
  CHECK(analysis.findings.empty());
  CHECK(analysis.summary.verdict == SummaryVerdict::insufficient_data);
  const auto& missing = analysis.summary.not_checked;
  CHECK(std::any_of(missing.begin(), missing.end(), [](const auto& m) { return m.check == "call-site-growth"; }));
}

TEST_CASE("random walks, sawteeth and plateaus of the heap: at most one finding in 10,000 site-windows") {
  std::mt19937 random(11);
  int findings = 0;
  for (int window = 0; window < 1000; ++window) {
    Scenario s(100);
    std::vector<StackId> stacks;
    std::vector<double> live(11, 2000);
    for (int site = 1; site <= 10; ++site) {
      stacks.push_back(s.stack({s.location("main.site", site)}));
      s.allocate(static_cast<std::size_t>(site), 2000);
    }
    for (int i = 0; i < 30; ++i) {
      s.collect();
      s.fates({});
      s.pass(0.33);
      for (std::size_t site = 1; site <= 10; ++site) {
        double in = 0;
        double out = 0;
        if (site <= 6) {  // a walk
          std::poisson_distribution<int> some(30.0 * static_cast<double>(site));
          in = some(random);
          out = std::min(live[site], static_cast<double>(some(random)));
        } else if (site <= 8) {  // a sawtooth of some seconds
          in = 300;
          out = i % static_cast<int>(site) == 0 ? live[site] - 500 : 0;
        } else {  // a plateau that turns over
          in = out = 500;
        }
        live[site] += in - out;
        s.allocate(site, in);
        s.free(site, out);
        s.sample(stacks[site - 1], site, 8);
      }
    }
    s.collect();
    findings += static_cast<int>(analyze(s.model).findings.size());
  }
  CHECK(findings <= 1);
}
