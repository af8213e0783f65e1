#include <catch2/catch.hpp>

#include "detect/analyze.h"
#include "scenario.h"

namespace gotrace::detect {
namespace {

constexpr std::uint8_t kSend = 2;

struct Stuck {
  test::Scenario scenario;
  std::vector<std::uint64_t> goids;
  Stuck() {
    const auto created = scenario.location("main.quote", 88);
    const auto parked = scenario.stack({scenario.location("main.quote.func1", 91)});
    for (int i = 0; i < 3; ++i) goids.push_back(scenario.start(created, parked, kSend));
    scenario.look();
  }
  [[nodiscard]] Analysis with(Proof proof) {
    proof.time_ns = 1;
    scenario.model.accept(proof);
    return analyze(scenario.model);
  }
};

Proof of(const std::vector<std::uint64_t>& goids) {
  Proof proof;
  proof.goids = goids;
  proof.held_bytes.assign(goids.size(), 1024);
  proof.deadlocks.assign(goids.size(), 0);
  return proof;
}

bool has_evidence(const Finding& finding, std::string_view code) {
  return std::any_of(finding.evidence.begin(), finding.evidence.end(),
                     [code](const Evidence& evidence) { return evidence.code == code; });
}

}  // namespace

TEST_CASE("proved goroutines are one finding for each place") {
  Stuck stuck;
  const auto analysis = stuck.with(of({stuck.goids[0], stuck.goids[2], 999}));
  REQUIRE(analysis.findings.size() == 1);
  const Finding& finding = analysis.findings.front();
  CHECK(finding.kind == "goroutine-leak");
  CHECK(finding.verdict == Verdict::proved);
  CHECK(finding.count == 2);
  CHECK(finding.bytes == 2 * 2048);
  CHECK(finding.where->line == 88);
  CHECK(has_evidence(finding, "unreachable"));
  CHECK(has_evidence(finding, "others-can-run"));
  CHECK(has_evidence(finding, "held-bytes"));
  CHECK_FALSE(finding.advice.empty());
  CHECK(analysis.summary.verdict == SummaryVerdict::leak);
  CHECK(analysis.summary.checked == std::vector<std::string>{"goroutine-proof"});
}

TEST_CASE("goroutines that wait for each other are one finding, which names them all") {
  test::Scenario scenario;
  std::vector<std::uint64_t> goids;
  for (const char* name : {"main.first", "main.second"}) {
    const auto created = scenario.location(name, 10);
    const auto parked = scenario.stack({scenario.location(std::string(name) + ".func1", 12)});
    for (int i = 0; i < 2; ++i) goids.push_back(scenario.start(created, parked, kSend));
  }
  scenario.look();
  Proof proof = of(goids);
  proof.deadlocks = {1, 2, 1, 2};
  scenario.model.accept(proof);
  const auto analysis = analyze(scenario.model);
  REQUIRE(analysis.findings.size() == 1);
  const Finding& finding = analysis.findings.front();
  CHECK(finding.count == 4);
  CHECK(finding.group_ids.size() == 2);
  REQUIRE(finding.evidence.front().code == "deadlock");
  CHECK(finding.evidence.front().text ==
        "They wait for each other, 2 times over: main.first.func1 at app/main.first.func1.go:12 (chan send), "
        "main.second.func1 at app/main.second.func1.go:12 (chan send).");
}

TEST_CASE("goroutines in several deadlocks are findings of their own") {
  Stuck stuck;
  Proof proof = of(stuck.goids);
  proof.deadlocks = {1, 1, 0};
  CHECK(stuck.with(proof).findings.size() == 1);
}

TEST_CASE("nothing proved is no finding, and says nothing of growth") {
  Stuck stuck;
  const auto analysis = stuck.with(of({}));
  CHECK(analysis.findings.empty());
  CHECK(analysis.summary.verdict == SummaryVerdict::insufficient_data);
}

TEST_CASE("where nothing can be proved, nothing is claimed") {
  Stuck stuck;
  Proof proof = of({stuck.goids[0]});
  proof.off = "it has loaded plugins";
  const auto analysis = stuck.with(proof);
  CHECK(analysis.findings.empty());
  CHECK(analysis.summary.checked.empty());
  CHECK(analysis.summary.not_checked.front().check == "goroutine-proof");
}

}  // namespace gotrace::detect
