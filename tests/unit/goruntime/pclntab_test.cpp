#include "goruntime/pclntab.h"

#include <catch2/catch.hpp>
#include <random>

#include "pclntab_builder.h"

namespace gotrace::goruntime {
namespace {

using testing::Built;
using testing::kText;

constexpr PclnFormat kFormats[] = {PclnFormat::go12, PclnFormat::go116, PclnFormat::go118, PclnFormat::go120};

std::unique_ptr<PclnTable> open(const Built& built) {
  auto table = PclnTable::open(testing::source_of(built));
  if (!table) FAIL(table.error().text);
  return std::move(*table);
}

std::vector<std::string> described(const std::vector<Frame>& frames) {
  std::vector<std::string> lines;
  for (const Frame& frame : frames) {
    lines.push_back(frame.function + " " + frame.file + ":" + std::to_string(frame.line) +
                    (frame.inlined ? " inlined" : ""));
  }
  return lines;
}

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("functions are found by name and address, in every format") {
  const PclnFormat format = GENERATE(from_range(std::begin(kFormats), std::end(kFormats)));
  CAPTURE(static_cast<int>(format));
  const Built built = testing::sample_table(format);
  const auto table = open(built);
  CHECK(table->size() == 5);
  const auto outer = table->find("main.outer");
  REQUIRE(outer.has_value());
  CHECK(*outer == FunctionRange{kText, kText + 0x100, "main.outer", 0});
  CHECK(table->find("main.wrap")->function_id == testing::kWrapper);
  CHECK_FALSE(table->find("main.oute").has_value());
  CHECK_FALSE(table->find("").has_value());
  CHECK(table->find("main.twin")->entry == kText + 0x130);  // the one that is no wrapper

  CHECK(table->find_prefix("main.").size() == 4);
  CHECK(table->find_prefix("runtime.").front().name == "runtime.goexit");
  CHECK(table->find_prefix("net/").empty());

  CHECK(table->containing(kText)->name == "main.outer");
  CHECK(table->containing(kText + 0xff)->name == "main.outer");
  CHECK(table->containing(kText + 0x100)->name == "main.wrap");
  CHECK(table->containing(kText + 0x14f)->name == "runtime.goexit");
  CHECK_FALSE(table->containing(kText + 0x150).has_value());
  CHECK_FALSE(table->containing(kText - 1).has_value());
}

TEST_CASE("lines and inlined calls, in every format") {
  const PclnFormat format = GENERATE(from_range(std::begin(kFormats), std::end(kFormats)));
  CAPTURE(static_cast<int>(format));
  const Built built = testing::sample_table(format);
  const auto table = open(built);
  CHECK(described(table->frames(kText + 0x1f)) == Lines{"main.outer /src/outer.go:10"});
  CHECK(described(table->frames(kText + 0x20)) == Lines{"main.outer /src/outer.go:12"});
  CHECK(described(table->frames(kText + 0x50)) == Lines{"main.inner /src/inner.go:77 inlined",
                                                        "main.middle /src/outer.go:33 inlined",
                                                        "main.outer /src/outer.go:12"});
  CHECK(described(table->frames(kText + 0x60)) ==
        Lines{"main.middle /src/outer.go:33 inlined", "main.outer /src/outer.go:12"});
  CHECK(described(table->frames(kText + 0x80)) == Lines{"main.outer /src/outer.go:15"});
  CHECK(described(table->frames(kText + 0x145)) == Lines{"runtime.goexit /go/src/runtime/asm.s:1571"});
  CHECK(table->frames(kText + 0x150).empty());
}

TEST_CASE("wrappers are hidden unless they are all there is") {
  const Built built = testing::sample_table(PclnFormat::go120);
  const auto table = open(built);
  CHECK(described(table->frames(kText + 0x108)) == Lines{"main.real /src/outer.go:1 inlined"});
  CHECK(described(table->frames(kText + 0x118)) == Lines{"main.wrap /src/outer.go:1"});
}

TEST_CASE("the stack's depth at an address") {
  const PclnFormat format = GENERATE(from_range(std::begin(kFormats), std::end(kFormats)));
  const Built built = testing::sample_table(format);
  const auto table = open(built);
  CHECK(table->stack_delta(kText + 0x0f) == 0);
  CHECK(table->stack_delta(kText + 0x10) == 0x38);
  CHECK(table->stack_delta(kText + 0x110) == 8);
  CHECK(table->argument_bytes(kText + 0x10) == 24);
  CHECK(table->argument_bytes(kText - 1) == 0);
  CHECK_FALSE(table->stack_delta(kText + 0x120).has_value());  // no table
  CHECK_FALSE(table->stack_delta(kText + 0x150).has_value());
}

TEST_CASE("a relocated copy of an old table") {
  constexpr std::uint64_t kBias = 0x555500000000;
  const PclnFormat format = GENERATE(PclnFormat::go12, PclnFormat::go116);
  Built built = testing::sample_table(format);
  const auto straight = open(built);
  auto source = testing::source_of(built);
  source.owned = built.table;
  source.pointer_bias = kBias;
  // Relocate what open() will read: entries of the ftab. (Inline trees: pointers that are not 0.)
  const std::uint64_t entries = format == PclnFormat::go12 ? 16 : parse_pcln_header(built.table)->function_data;
  for (std::size_t i = 0; i <= straight->size(); ++i) {
    auto value = load_or_zero<std::uint64_t>(built.table, entries + 16 * i) + kBias;
    std::memcpy(source.owned.data() + entries + 16 * i, &value, sizeof value);
  }
  for (std::size_t at = 0; at + 8 <= source.owned.size(); at += 8) {
    auto value = load_or_zero<std::uint64_t>(source.owned, at);
    if (value < testing::kTrees || value >= testing::kTrees + built.trees.size()) continue;
    value += kBias;
    std::memcpy(source.owned.data() + at, &value, sizeof value);
  }
  const auto moved = PclnTable::open(std::move(source));
  REQUIRE(moved.ok());
  CHECK((*moved)->find("main.outer")->entry == kText);
  CHECK(described((*moved)->frames(kText + 0x50)) == described(straight->frames(kText + 0x50)));
  CHECK((*moved)->frames(kText + 0x50).size() == 3);
}

TEST_CASE("a table without inline trees still has lines") {
  const Built built = testing::sample_table(PclnFormat::go120);
  auto source = testing::source_of(built);
  source.image = nullptr;
  const auto table = PclnTable::open(std::move(source));
  REQUIRE(table.ok());
  CHECK(described((*table)->frames(kText + 0x50)) == Lines{"main.outer /src/inner.go:77"});
}

TEST_CASE("a damaged table is refused with a reason") {
  const auto refusal = [](Built built) {
    const auto table = PclnTable::open(testing::source_of(built));
    return table ? std::string("opened") : table.error().text;
  };
  const Built whole = testing::sample_table(PclnFormat::go120);
  Built bad = whole;
  bad.table[0] = std::byte{0};
  CHECK(refusal(bad) == "its function table (pclntab) is damaged: it has no valid header");
  bad = whole;
  bad.table[7] = std::byte{4};  // pointer size
  CHECK(refusal(bad).find("no valid header") != std::string::npos);
  bad = whole;
  bad.table.resize(40);
  CHECK(refusal(bad).find("no valid header") != std::string::npos);
  bad = whole;
  bad.table[8 + 2] = std::byte{1};  // 65,536 functions more
  CHECK(refusal(bad).find("65541 functions do not fit") != std::string::npos);
  bad = whole;
  const auto entries = parse_pcln_header(whole.table)->function_data;
  bad.table[entries + 9] = std::byte{0xff};  // entry of function 1
  CHECK(refusal(bad) == "its function table (pclntab) is damaged: function 1 of 5 is out of order");
}

TEST_CASE("a damaged function costs that function") {
  Built built = testing::sample_table(PclnFormat::go120);
  const auto entries = parse_pcln_header(built.table)->function_data;
  for (int i = 0; i < 4; ++i) built.table[entries + 4 + i] = std::byte{0xfe};  // where function 0 is described
  const auto table = open(built);
  CHECK(described(table->frames(kText + 0x50)) == Lines{"? ?:0"});
  CHECK(table->containing(kText)->name == "?");
  CHECK_FALSE(table->stack_delta(kText).has_value());
  CHECK(described(table->frames(kText + 0x145)) == Lines{"runtime.goexit /go/src/runtime/asm.s:1571"});
}

TEST_CASE("no damage makes a table crash or hang") {
  const PclnFormat format = GENERATE(from_range(std::begin(kFormats), std::end(kFormats)));
  const Built whole = testing::sample_table(format);
  std::mt19937 random(static_cast<unsigned>(format));  // NOLINT: the same numbers each time
  std::size_t opened = 0;
  for (int round = 0; round < 2000; ++round) {
    Built built = whole;
    for (int i = 0; i < 8; ++i) built.table[random() % built.table.size()] = static_cast<std::byte>(random());
    for (int i = 0; i < 4; ++i) built.trees[random() % built.trees.size()] = static_cast<std::byte>(random());
    const auto table = PclnTable::open(testing::source_of(built));
    if (!table) continue;
    ++opened;
    for (std::uint64_t pc = kText; pc < kText + 0x150; pc += 0x10) {
      REQUIRE(((*table)->frames(pc).size() <= 130));
      (void)(*table)->stack_delta(pc);
    }
    (void)(*table)->find("main.twin");
    (void)(*table)->find_prefix("main.");
  }
  CHECK(opened > 100);
}

}  // namespace gotrace::goruntime
