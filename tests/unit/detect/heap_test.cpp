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

std::vector<const CallSite*> growing(Analysis&&) = delete;  // they point into it
std::vector<const CallSite*> growing(const Analysis& analysis) {
  std::vector<const CallSite*> result;
  for (const CallSite& site : analysis.call_sites)
    if (site.trend == Trend::growing) result.push_back(&site);
  return result;
}

}  // namespace

TEST_CASE("a map that grows by 1 MiB/s is found at its rate, with less confidence in a young process") {
  const int age = GENERATE(100, 1000);  // seconds
  Scenario s(age);
  const StackId put = s.stack({s.location("runtime.mallocgc", 1, true), s.location("main.put", 41)});
  s.allocate(kClass, 1024 * age);
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
  CHECK(analysis.findings[0].confidence == (age < 600 ? Confidence::medium : Confidence::high));
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
  const auto analysis = analyze(s.model);
  const auto sites = growing(analysis);
  REQUIRE(sites.size() == 1);
  CHECK(sites[0]->growth_bytes->value == Approx(1000 * 1024).epsilon(0.1));
}

TEST_CASE("few collections and half of what is allocated stays: nobody is accused, and it is said that this is open") {
  for (const int stays : {50, 0}) {
    Scenario s(5);
    const StackId keep = s.stack({s.location("main.mixed", 3)});
    for (int i = 0; i < 100; ++i) {
      if (i % 30 == 29) {
        s.collect();
        s.fates({});
      }
      s.send_counters();
      s.pass(0.1);
      s.allocate(kClass, 100);
      s.free(kClass, 100 - stays);
      s.sample(keep, kClass, 8);
    }
    s.send_counters();
    const auto analysis = analyze(s.model);
    CHECK(growing(analysis).empty());
    const auto& missing = analysis.summary.not_checked;
    const auto open = std::ranges::find(missing, "heap-growth", &NotChecked::check);
    CHECK((open != missing.end()) == (stays > 0));
    if (open != missing.end()) CHECK(open->reason.find("too few to tell a leak") != std::string::npos);
    const auto site = std::ranges::find_if(analysis.call_sites, [](const CallSite& one) {
      return !one.stack.empty() && one.stack.front().function == "main.mixed";
    });
    REQUIRE(site != analysis.call_sites.end());
    CHECK(site->trend == (stays > 0 ? Trend::unknown : Trend::flat));
  }
}

TEST_CASE("a leak that few collections of a large heap don't tell is below the floor that is printed") {
  struct Leak {
    double mib_per_second;
    bool found;
  };
  const Leak leak = GENERATE(Leak{0.1, false}, Leak{8, true});
  Scenario s(5);
  const StackId keep = s.stack({s.location("main.keep", 3)});
  s.allocate(kClass, 1000 * 1024);  // 1,000 MiB
  for (int i = 0; i < 100; ++i) {
    if (i % 30 == 5) {
      s.collect();
      s.fates({});
    }
    s.send_counters();
    s.pass(0.3);
    s.allocate(kClass, static_cast<std::uint64_t>(0.3 * leak.mib_per_second * 1024));
    s.sample(keep, kClass, 8);
  }
  s.send_counters();
  const auto analysis = analyze(s.model);
  CHECK(growing(analysis).empty() != leak.found);
  REQUIRE(analysis.summary.floor_heap_bytes_per_second);
  const double floor = *analysis.summary.floor_heap_bytes_per_second;
  CHECK((leak.mib_per_second * 1048576 > floor) == leak.found);
  CHECK(floor == Approx(16.0 * 1048576 / 27).epsilon(0.01));  // four collections, nine seconds apart
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

TEST_CASE("what the runtime allocates for itself is no finding: something else makes it grow") {
  Scenario s(100);
  const StackId own = s.stack({s.location("runtime.malg", 5, true), s.location("runtime.newproc1", 9, true)});
  s.allocate(kClass, 10000);
  for (int i = 0; i < 40; ++i) {
    s.collect();
    s.fates({});
    s.pass(0.25);
    s.allocate(kClass, 25);
    for (int k = 0; k < 3; ++k) s.sample(own, kClass, 8);
  }
  s.collect();
  const auto analysis = analyze(s.model);
  CHECK(growing(analysis).size() == 1);  // a fact
  CHECK(analysis.findings.empty());
}

TEST_CASE("large objects of which nothing tells who keeps them: who allocates most is not accused") {
  Scenario s(5);
  const StackId churn = s.stack({s.location("main.churn", 5)});
  const StackId leak = s.stack({s.location("main.keep", 9)});
  for (int i = 0; i < 40; ++i) {
    s.collect();
    s.pass(0.25);
    s.allocate(0, 75 * 131072 + 5 * 65536);
    s.free(0, 75 * 131072);
    for (int k = 0; k < 75; ++k) s.sample_large(churn, 131072);
    for (int k = 0; k < 5; ++k) s.sample_large(leak, 65536);
  }
  s.collect();
  const auto analysis = analyze(s.model);
  CHECK(analysis.findings.empty());
  const auto& not_checked = analysis.summary.not_checked;
  CHECK(std::any_of(not_checked.begin(), not_checked.end(), [](const auto& check) {
    return check.check == "call-site-growth" && check.reason.find("the heap grows by") == 0;
  }));
}

TEST_CASE("large objects whose fate was followed: who keeps them is told from who only allocates them") {
  for (const bool profile_misleads : {false, true}) {  // by chance, in how many of the live ones were sampled
    Scenario s(5);
    const StackId churn = s.stack({s.location("main.churn", 5)});
    const StackId leak = s.stack({s.location("main.keep", 9)});
    const auto look = [&](std::uint64_t churned, std::uint64_t kept) {
      s.bucket(churn, 131072, churned, churned - churned / 40);
      s.bucket(leak, 65536, kept, 0);
      s.profile();
    };
    if (profile_misleads) look(40, 4);
    std::vector<std::uint64_t> dying;
    for (int i = 0; i < 40; ++i) {
      s.collect();
      s.fates(std::exchange(dying, {}));
      s.pass(0.25);
      s.allocate(0, 75 * 131072 + 5 * 65536);
      s.free(0, 75 * 131072);
      for (int k = 0; k < 75; ++k) dying.push_back(s.sample_large(churn, 131072, true));
      for (int k = 0; k < 5; ++k) s.sample_large(leak, 65536, true);
    }
    s.collect();
    s.fates(dying);
    if (profile_misleads) look(700, 20);
    const auto analysis = analyze(s.model);
    const auto sites = growing(analysis);
    REQUIRE(sites.size() == 1);
    CHECK(sites[0]->stack.front().function == "main.keep");
    CHECK(sites[0]->growth_bytes->value == Approx(20 * 65536).epsilon(0.15));
  }
}

TEST_CASE("large objects: the heap profile tells which of three sites keep theirs") {
  Scenario s(5);
  const StackId a = s.stack({s.location("main.bigA", 5)});
  const StackId b = s.stack({s.location("main.bigB", 6)});
  const StackId c = s.stack({s.location("main.bigC", 7)});
  const auto look = [&](std::uint64_t a_samples, std::uint64_t b_samples, std::uint64_t c_samples) {
    s.bucket(a, 65536, a_samples, 0);
    s.bucket(b, 131072, b_samples + 4, b_samples);
    s.bucket(c, 262144, c_samples, 0);
    s.profile();
  };
  s.allocate(0, 5 * (20 * 65536 + 10 * 262144));
  look(12, 40, 20);
  for (int i = 0; i < 40; ++i) {
    s.collect();
    s.pass(0.25);
    s.allocate(0, 5 * 65536 + 10 * 131072 + 2.5 * 262144);
    s.free(0, 10 * 131072);
    for (int k = 0; k < 5; ++k) s.sample_large(a, 65536);
    for (int k = 0; k < 10; ++k) s.sample_large(b, 131072);
    for (int k = 0; k < 2 + i % 2; ++k) s.sample_large(c, 262144);
  }
  s.collect();
  look(12 + 23, 40 + 88, 20 + 39);
  const auto analysis = analyze(s.model);
  const auto sites = growing(analysis);
  REQUIRE(sites.size() == 2);
  CHECK(sites[0]->stack.front().function == "main.bigC");
  CHECK(sites[0]->growth_bytes->value == Approx(10 * 262144).epsilon(0.15));
  CHECK(sites[1]->stack.front().function == "main.bigA");
  CHECK(sites[1]->growth_bytes->value == Approx(20 * 65536).epsilon(0.15));
}

TEST_CASE("one sample more of a churning site is no growth of it") {
  Scenario s(5);
  const StackId churn = s.stack({s.location("main.churn", 6)});
  s.bucket(churn, 131072, 44, 40);
  s.profile();
  for (int i = 0; i < 40; ++i) {
    s.collect();
    s.pass(0.25);
    s.allocate(0, 10 * 131072 + 65536);  // somebody keeps 65,536, and no sample has hit it
    s.free(0, 10 * 131072);
    for (int k = 0; k < 10; ++k) s.sample_large(churn, 131072);
  }
  s.collect();
  s.bucket(churn, 131072, 133, 128);
  s.profile();
  CHECK(analyze(s.model).findings.empty());
}

TEST_CASE("garbage made while a collection marks hides no leak") {
  Scenario s(100);
  const StackId keep = s.stack({s.location("main.keep", 41)});
  s.allocate(kClass, 25000);
  double black = 0;
  for (int i = 0; i < 40; ++i) {
    s.mark();
    const double garbage = 100.0 * (i * 7 % 20);  // marks of different length
    s.free(kClass, black);
    s.allocate(kClass, garbage);
    black = garbage;
    s.pass(0.05);
    s.collect();
    s.fates({});
    s.pass(0.2);
    s.allocate(kClass, 62);
    for (int k = 0; k < 10; ++k) s.sample(keep, kClass, 8);
  }
  const auto analysis = analyze(s.model);
  const auto sites = growing(analysis);
  REQUIRE(sites.size() == 1);
  CHECK(sites[0]->growth_bytes->value == Approx(62 * 1024 / 0.25).epsilon(0.05));
}

TEST_CASE("a site that has let go of most of what it kept before does so again") {
  for (const bool sawtooth : {false, true}) {
    Scenario s(130);
    const StackId log = s.stack({s.location("main.appendLog", 5)});
    s.allocate(kClass, 12000);
    const auto look = [&](std::uint64_t more) {
      s.bucket(log, 1024, 230 + more, sawtooth ? 210 : 0);
      s.profile();
    };
    look(0);
    for (int i = 0; i < 40; ++i) {
      s.collect();
      s.fates({});
      s.pass(0.25);
      s.allocate(kClass, 250);
      for (int k = 0; k < 10; ++k) s.sample(log, kClass, 8);
    }
    s.collect();
    look(20);
    const auto analysis = analyze(s.model);
    CHECK(analysis.findings.size() == (sawtooth ? 0U : 1U));
    CHECK(growing(analysis).size() == analysis.findings.size());
  }
}

TEST_CASE("the history of a leak counts what the heap profile had not yet published when we came") {
  Scenario s(16);
  const StackId keep = s.stack({s.location("main.keep", 5)});
  s.allocate(kClass, 16 * 1024);
  s.bucket(keep, 1024, 12, 0, 20);  // 6 of 16 MiB
  s.profile();
  for (int i = 0; i < 40; ++i) {
    s.collect();
    s.fates({});
    s.pass(0.25);
    s.allocate(kClass, 256);
    for (int k = 0; k < 10; ++k) s.sample(keep, kClass, 8);
  }
  s.collect();
  s.bucket(keep, 1024, 52, 0, 0);
  s.profile();
  const auto analysis = analyze(s.model);
  REQUIRE(analysis.findings.size() == 1);
  CHECK(analysis.findings[0].verdict == Verdict::leaking);
}

TEST_CASE("what was loaded at start-up is no history of today's growth") {
  Scenario s(20);
  const StackId load = s.stack({s.location("main.load", 5)});
  s.allocate(kClass, 100 * 1024);
  s.bucket(load, 1024, 200, 0);  // 100 MiB
  s.profile();
  for (int i = 0; i < 40; ++i) {
    s.collect();
    s.fates({});
    s.pass(0.25);
    s.allocate(kClass, 256);
    for (int k = 0; k < 10; ++k) s.sample(load, kClass, 8);
  }
  s.collect();
  s.bucket(load, 1024, 220, 0);
  s.profile();
  const auto analysis = analyze(s.model);
  REQUIRE(analysis.findings.size() == 1);
  CHECK(analysis.findings[0].verdict == Verdict::suspected);
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

namespace {

// Ten seconds of a quiet program: so many objects of 1 KiB, not one GC.
struct Quiet {
  double objects = 100;
  ProbeStatus status = ProbeStatus::on;
  double attached_seconds = 10;
  std::uint64_t lost = 0;
};

Analysis watch(const Quiet& quiet) {
  Scenario s(100);
  const StackId site = s.stack({s.location("main.handle", 5)});
  for (int i = 0; i < 21; ++i) {
    s.look();
    s.send_counters();
    s.sample(site, kClass, quiet.objects / 21 + 1);
    s.pass(0.5);
  }
  ProbeState state;
  state.name = "mallocs";
  state.symbol = "runtime.mallocgc";
  state.status = quiet.status;
  state.attached_ns = static_cast<std::uint64_t>(quiet.attached_seconds * 1e9);
  state.window_ns = 10'000'000'000;
  state.lost = quiet.lost;
  s.model.accept(state);
  return analyze(s.model);
}

bool heap_is_checked(const Analysis& analysis) {
  const auto& checked = analysis.summary.checked;
  return std::find(checked.begin(), checked.end(), "heap-growth") != checked.end();
}

}  // namespace

TEST_CASE("without a collection a heap can't grow by more than all that is allocated, where all of it was counted") {
  const auto analysis = watch({});
  CHECK(heap_is_checked(analysis));
  REQUIRE(analysis.summary.floor_heap_bytes_per_second);
  CHECK(*analysis.summary.floor_heap_bytes_per_second >= 100 * 1024 / 10);
  CHECK(*analysis.summary.floor_heap_bytes_per_second < 2 * 100 * 1024 / 10);
  CHECK(analysis.memory.allocated_at_most == analysis.summary.floor_heap_bytes_per_second);
}

TEST_CASE("without a collection nothing is said where much is allocated, or where not all of it was counted") {
  const auto quiet = GENERATE(Quiet{.objects = 10000}, Quiet{.status = ProbeStatus::windowed},
                              Quiet{.status = ProbeStatus::withheld, .attached_seconds = 0},
                              Quiet{.attached_seconds = 8}, Quiet{.lost = 1});
  const auto analysis = watch(quiet);
  CHECK_FALSE(heap_is_checked(analysis));
  CHECK_FALSE(analysis.summary.floor_heap_bytes_per_second);
  CHECK_FALSE(analysis.memory.allocated_at_most);
}
