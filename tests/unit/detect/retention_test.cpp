// Large objects that small references keep: named where the waste matters and was seen twice, with the line that makes
// them, and left alone where it may be something else.
#include <algorithm>
#include <catch2/catch.hpp>

#include "detect/analyze.h"
#include "scenario.h"

using gotrace::test::Scenario;
using namespace gotrace;
using namespace gotrace::detect;

namespace {

constexpr std::uint64_t kMiB = 1U << 20;
constexpr double kAge = 1000;

RetainedGroup group_of(RetentionKind kind, std::uint64_t objects) {
  RetainedGroup group;
  group.kind = kind;
  group.holder = "package variable main.cache";
  group.objects = objects;
  group.bytes = objects * kMiB;
  group.used_bytes = objects * 50;
  group.references = objects;
  group.smallest = group.largest = group.example_bytes = kMiB;
  group.example_used = 50;
  group.example_references = 1;
  return group;
}

RetentionLook look_of(int second, std::vector<RetainedGroup> groups) {
  RetentionLook look;
  look.time_ns = static_cast<std::uint64_t>((kAge + second) * 1e9);
  look.searches = static_cast<std::uint32_t>(second + 1);
  look.heap_bytes = 100 * kMiB;
  look.to_read_bytes = look.read_bytes = 10 * kMiB;
  look.groups = std::move(groups);
  return look;
}

const Finding& only(const Analysis& analysis) {
  REQUIRE(analysis.findings.size() == 1);
  return analysis.findings[0];
}

std::string evidence(const Finding& finding, const std::string& code) {
  const auto found = std::ranges::find(finding.evidence, code, &Evidence::code);
  return found == finding.evidence.end() ? "" : found->text;
}

}  // namespace

TEST_CASE("a short string that keeps much memory is suspected, and what holds it is named") {
  Scenario s(kAge);
  s.model.accept(look_of(1, {group_of(RetentionKind::substring, 5)}));
  const auto analysis = analyze(s.model);
  const Finding& finding = only(analysis);
  CHECK(finding.kind == "retained-substring");
  CHECK(finding.verdict == Verdict::suspected);
  CHECK(finding.count == 5);
  CHECK(finding.bytes == 5 * kMiB);
  CHECK_FALSE(finding.where);
  CHECK(evidence(finding, "small-part-used").starts_with("50 of 1,048,576 bytes are used by the 1 string that refers"));
  CHECK(evidence(finding, "held-by").starts_with("5 objects are held by package variable main.cache -> string"));
}

TEST_CASE(
    "of memory that stood still it is proved, in a large heap too, but for what C's memory or an append may use") {
  struct Case {
    bool cgo = false, spare = false, complete = true;
    std::uint64_t heap = 100 * kMiB;
    std::optional<Verdict> verdict = Verdict::proved;
  };
  const auto one =
      GENERATE(Case{}, Case{.heap = 4000 * kMiB}, Case{.cgo = true, .verdict = Verdict::suspected},
               Case{.spare = true, .verdict = std::nullopt}, Case{.heap = 6000 * kMiB, .verdict = std::nullopt},
               Case{.complete = false, .verdict = std::nullopt});
  Scenario s(kAge);
  TargetInfo target = *s.model.target();
  target.cgo = one.cgo;
  s.model.accept(target);
  s.model.accept(Proof{});
  auto group = group_of(RetentionKind::substring, 5);
  group.spare = one.spare;
  auto look = look_of(1, {group});
  look.heap_bytes = one.heap;
  look.complete = one.complete;
  s.model.accept(look);
  const auto analysis = analyze(s.model);
  REQUIRE(analysis.findings.size() == (one.verdict ? 1 : 0));
  if (!one.verdict) return;
  CHECK(analysis.findings[0].verdict == *one.verdict);
  CHECK(analysis.findings[0].not_known.empty() == (*one.verdict == Verdict::proved));
  CHECK(evidence(analysis.findings[0], "all-read").find("while nothing ran") != std::string::npos);
}

TEST_CASE("objects that were sampled when they were made name their line, one finding for all holders") {
  Scenario s(kAge);
  const auto made = s.stack({s.location("main.load", 40), s.location("main.handle", 7)});
  auto in_map = group_of(RetentionKind::subslice, 5);
  auto in_channel = group_of(RetentionKind::subslice, 3);
  in_map.allocated_at = in_channel.allocated_at = made;
  in_channel.holder = "package variable main.queue";
  s.model.accept(look_of(1, {in_map, in_channel}));
  const auto analysis = analyze(s.model);
  const Finding& finding = only(analysis);
  CHECK(finding.kind == "retained-subslice");
  REQUIRE(finding.where);
  CHECK(finding.where->function == "main.load");
  CHECK(finding.count == 8);
}

TEST_CASE("objects of one size of which some were sampled are one finding, unless two lines make such") {
  Scenario s(kAge);
  auto sampled = group_of(RetentionKind::subslice, 3);
  auto others = group_of(RetentionKind::subslice, 13);
  sampled.allocated_at = s.stack({s.location("main.load", 40)});
  s.model.accept(look_of(1, {others, sampled}));
  {
    const auto analysis = analyze(s.model);
    const Finding& finding = only(analysis);
    CHECK(finding.where->function == "main.load");
    CHECK(finding.count == 16);
    CHECK(evidence(finding, "line-by-size").starts_with("3 of 16 were sampled"));
    CHECK(evidence(finding, "held-by").starts_with("16 objects are held by package variable main.cache"));
  }
  auto elsewhere = group_of(RetentionKind::subslice, 3);
  elsewhere.allocated_at = s.stack({s.location("main.reload", 50)});
  s.model.accept(look_of(2, {others, sampled, elsewhere}));
  CHECK(analyze(s.model).findings.size() == 3);
}

TEST_CASE("objects that become more in a map that grows name the line that makes such objects") {
  for (const std::uint64_t later : {7U, 5U}) {
    Scenario s(kAge);
    const auto made = s.stack({s.location("main.load", 40)});
    auto before = group_of(RetentionKind::subslice, 5);
    before.holder = "package variable main.cache -> an object of 12288 bytes";
    auto after = group_of(RetentionKind::subslice, later);
    after.holder = "package variable main.cache -> an object of 24576 bytes";
    s.model.accept(look_of(1, {before}));
    for (int i = 0; i < 6; ++i) s.sample_large(made, kMiB);
    s.model.accept(look_of(2, {after}));
    const auto analysis = analyze(s.model);
    CHECK(only(analysis).where.has_value() == (later > 5));
  }
}

TEST_CASE("their number grows as it did all the time: leaking; from nothing: suspected") {
  for (const bool all_the_time : {true, false}) {
    Scenario s(kAge);
    for (int i = 1; i < 14; ++i) {
      const auto objects = static_cast<std::uint64_t>((all_the_time ? 2000 : 5) + 2 * i);
      s.model.accept(look_of(i, {group_of(RetentionKind::substring, objects)}));
    }
    const auto analysis = analyze(s.model);
    const Finding& finding = only(analysis);
    CHECK(finding.trend == Trend::growing);
    CHECK(finding.verdict == (all_the_time ? Verdict::leaking : Verdict::suspected));
    REQUIRE(finding.growth);
    CHECK(finding.growth->value == Approx(2.0 * kMiB).epsilon(0.05));
  }
}

TEST_CASE("little waste, in bytes or as a share of the heap, is nobody's business") {
  Scenario s(kAge);
  auto small = group_of(RetentionKind::substring, 1);
  small.bytes = small.smallest = small.largest = small.example_bytes = 900'000;
  s.model.accept(look_of(1, {small}));
  CHECK(analyze(s.model).findings.empty());
  Scenario large(kAge);
  auto look = look_of(1, {group_of(RetentionKind::substring, 5)});
  look.heap_bytes = 1024 * kMiB;
  large.model.accept(look);
  CHECK(analyze(large.model).findings.empty());
}

TEST_CASE("in a large heap little waste matters where it grows, and much in an hour") {
  const auto growing_by = [](std::uint64_t objects) {
    Scenario s(kAge);
    for (int i = 1; i < 10; ++i) {
      auto look = look_of(i, {group_of(RetentionKind::substring, 5 + objects * static_cast<std::uint64_t>(i))});
      look.heap_bytes = 4096 * kMiB;
      s.model.accept(look);
    }
    return analyze(s.model).findings.size();
  };
  CHECK(growing_by(3) == 1);
  CHECK(growing_by(0) == 0);
  Scenario slow(kAge);  // 1 MiB in 10 minutes
  for (int i = 1; i < 10; ++i) {
    auto look = look_of(600 * i, {group_of(RetentionKind::substring, 5 + static_cast<std::uint64_t>(i))});
    look.heap_bytes = 4096 * kMiB;
    slow.model.accept(look);
  }
  CHECK(analyze(slow.model).findings.empty());
}

TEST_CASE("capacity in reserve is waste only when it grows") {
  auto reserve = group_of(RetentionKind::subslice, 50);
  reserve.spare = true;
  Scenario still(kAge);
  for (int i = 1; i < 14; ++i) still.model.accept(look_of(i, {reserve}));
  CHECK(analyze(still.model).findings.empty());
  Scenario grows(kAge);
  for (int i = 1; i < 14; ++i) {
    reserve.objects = 50 + 2 * static_cast<std::uint64_t>(i);
    grows.model.accept(look_of(i, {reserve}));
  }
  CHECK(only(analyze(grows.model)).kind == "retained-subslice");
  Scenario moves(kAge);  // held by the arrays of a slice that grows
  for (int i = 1; i < 20; ++i) {
    reserve.objects = 50 + 2 * static_cast<std::uint64_t>(i);
    reserve.holder = "package variable main.kept -> an object of " + std::to_string(i) + " bytes";
    moves.model.accept(look_of(i, {reserve}));
  }
  CHECK(only(analyze(moves.model)).kind == "retained-subslice");
  const auto few = [&reserve](const std::vector<std::uint64_t>& counts) {  // searches, as of a large heap
    Scenario s(kAge);
    for (std::size_t i = 0; i < counts.size(); ++i) {
      reserve.objects = counts[i];
      reserve.bytes = counts[i] * kMiB;
      reserve.holder = "package variable main.kept -> an object of " + std::to_string(i) + " bytes";
      auto look = look_of(static_cast<int>(3 * i + 1), {reserve});
      look.heap_bytes = 4096 * kMiB;
      s.model.accept(look);
    }
    return analyze(s.model).findings.size();
  };
  CHECK(few({22, 24, 36, 50, 73, 73}) == 1);
  CHECK(few({22, 24, 36, 30, 73, 73}) == 0);  // they come and go
  CHECK(few({22, 24, 26, 26, 28, 28}) == 0);
  CHECK(few({22, 73}) == 0);
}

TEST_CASE("where not all could be read, only many objects count, and confidence is low") {
  Scenario few(kAge);
  auto look = look_of(1, {group_of(RetentionKind::substring, 19)});
  look.complete = false;
  look.read_bytes = look.to_read_bytes / 2;
  few.model.accept(look);
  CHECK(analyze(few.model).findings.empty());
  Scenario many(kAge);
  look.groups = {group_of(RetentionKind::substring, 40)};
  many.model.accept(look);
  const auto analysis = analyze(many.model);
  CHECK(only(analysis).confidence == Confidence::low);
  CHECK(evidence(only(analysis), "part-read").find("50 %") != std::string::npos);
  Scenario little(kAge);
  look.read_bytes = look.to_read_bytes / 10;
  little.model.accept(look);
  CHECK(analyze(little.model).findings.empty());
}

TEST_CASE("a session that was to search and did not says so") {
  Scenario s(kAge);
  s.model.accept(SourceState{1, "retention", SourceStatus::off, "the process is short of memory", ""});
  const auto analysis = analyze(s.model);
  const auto& missing = analysis.summary.not_checked;
  const auto found = std::ranges::find(missing, "retention", &NotChecked::check);
  REQUIRE(found != missing.end());
  CHECK(found->reason == "the process is short of memory");
}

namespace {

RetainedGroup list_of(const Scenario&, std::uint64_t nodes) {
  RetainedGroup group;
  group.kind = RetentionKind::stack;
  group.holder = "main.consume";
  group.objects = nodes;
  group.bytes = nodes * 64;
  group.references = 1;
  group.smallest = group.largest = 64;
  group.goid = 18;
  return group;
}

}  // namespace

TEST_CASE("a list that only a frame leads to and that grows is that frame's") {
  Scenario s(kAge);
  const auto at = s.location("main.consume", 40);
  for (int i = 1; i < 14; ++i) {
    auto list = list_of(s, 100'000 + 1000 * static_cast<std::uint64_t>(i));
    list.holder_used_at = at;
    s.model.accept(look_of(i, {list}));
  }
  const auto analysis = analyze(s.model);
  const Finding& finding = only(analysis);
  CHECK(finding.kind == "retained-by-stack");
  REQUIRE(finding.where);
  CHECK(finding.where->function == "main.consume");
  CHECK(finding.where->line == 40);
  CHECK(finding.count == 113'000);
  REQUIRE(finding.growth);
  CHECK(finding.growth->value == Approx(64'000).epsilon(0.05));
  CHECK(evidence(finding, "list-on-stack").starts_with("Goroutine 18 keeps a list of 113,000 objects of 64 bytes"));
  CHECK(finding.advice.find("head") != std::string::npos);
}

TEST_CASE("the line where the frame makes the list longer is better than where it stands now") {
  Scenario s(kAge);
  const auto at = s.location("main.consume", 40);
  const auto made = s.stack({s.location("main.newNode", 7), s.location("main.consume", 42)});
  for (int i = 1; i < 14; ++i) {
    auto list = list_of(s, 100'000 + 1000 * static_cast<std::uint64_t>(i));
    list.holder_used_at = at;
    list.allocated_at = made;
    s.model.accept(look_of(i, {list}));
  }
  const auto analysis = analyze(s.model);
  CHECK(only(analysis).where->line == 42);
}

TEST_CASE("a list has its own growth, whatever lists of such nodes others have for a while") {
  Scenario s(kAge);
  const auto made = s.stack({s.location("main.newNode", 7), s.location("main.consume", 42)});
  for (int i = 1; i < 14; ++i) {
    auto list = list_of(s, 20'000 + 2000 * static_cast<std::uint64_t>(i));
    if (i > 3) list.allocated_at = made;  // a node of it was sampled then
    auto passing = list_of(s, 10'000);
    passing.holder = "main.reader";
    std::vector<RetainedGroup> groups;
    if (i == 1 || i > 2) groups.push_back(list);
    if (i == 1 || i == 2) groups.push_back(passing);
    s.model.accept(look_of(i, groups));
  }
  const auto analysis = analyze(s.model);
  const Finding& finding = only(analysis);
  CHECK(finding.trend == Trend::growing);
  REQUIRE(finding.growth);
  CHECK(finding.growth->value == Approx(2000.0 * 64).epsilon(0.05));
}

TEST_CASE("what a growing map keeps has a rate, by size, whoever holds it now") {
  Scenario s(kAge);
  for (int i = 1; i < 20; ++i) {
    auto group = group_of(RetentionKind::substring, 5 + 2 * static_cast<std::uint64_t>(i));
    group.holder = "package variable main.cache -> an object of " + std::to_string(i) + " bytes";
    s.model.accept(look_of(i, {group}));
  }
  const auto analysis = analyze(s.model);
  const Finding& finding = only(analysis);
  CHECK(finding.trend == Trend::growing);
  REQUIRE(finding.growth);
  CHECK(finding.growth->value == Approx(2.0 * kMiB).epsilon(0.05));
}

TEST_CASE("a list on a stack that does not grow is left alone") {
  Scenario s(kAge);
  for (int i = 1; i < 14; ++i) s.model.accept(look_of(i, {list_of(s, 100'000)}));
  CHECK(analyze(s.model).findings.empty());
}
