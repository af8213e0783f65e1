#include "goruntime/symbolizer.h"

#include <catch2/catch.hpp>
#include <stdexcept>

namespace gotrace::goruntime {
namespace {

constexpr std::uint64_t kBias = 0x1000000;

class FakeTable final : public FunctionTable {
 public:
  explicit FakeTable(std::string root) : root_(std::move(root)) {}
  [[nodiscard]] std::size_t size() const override { return 6; }
  [[nodiscard]] std::optional<FunctionRange> find(std::string_view name) const override {
    if (name == "runtime.gopark") return FunctionRange{0x100, 0x200, "runtime.gopark", 0};
    return std::nullopt;
  }
  [[nodiscard]] std::vector<FunctionRange> find_prefix(std::string_view) const override { return {}; }
  [[nodiscard]] std::optional<FunctionRange> containing(std::uint64_t pc) const override {
    constexpr std::uint8_t kWrapper = 22;  // internal/abi/symtab.go, Go 1.24
    if (pc / 0x100 == 7) return FunctionRange{0x700, 0x800, "main.main.gowrap1", kWrapper};
    return std::nullopt;
  }
  [[nodiscard]] std::optional<std::int32_t> stack_delta(std::uint64_t) const override { return std::nullopt; }
  [[nodiscard]] std::vector<Frame> frames(std::uint64_t pc) const override {
    if (pc < 0x100 || pc >= 0x800) return {};
    switch (pc / 0x100) {
      case 1:
        return {{.function = "runtime.gopark", .file = root_ + "runtime/proc.go", .line = 381}};
      case 2:
        return {{.function = "main.main", .file = "/home/me/app/main.go", .line = 7}};
      case 3:
        return {{.function = "net/http.(*conn).serve", .file = root_ + "net/http/server.go", .line = 1},
                {.function = "orderd/store.(*DB).get[...]", .file = "orderd/store/db.go", .line = 2}};
      case 4:
        return {{.function = "gopkg.in/yaml%2ev2.f", .file = "gopkg.in/yaml.v2/x.go", .line = 3}};
      case 5:
        return {{.function = "_cgo_0123_Cfunc_x", .file = "_cgo_gotypes.go", .line = 4}};
      case 7:
        return {{.function = "main.main.gowrap1", .file = "/home/me/app/main.go", .line = 9}};
      default:
        return {{.function = "?", .file = "?"}};
    }
  }

 private:
  std::string root_;
};

class FakeProgram final : public Program {
 public:
  explicit FakeProgram(std::string root) : table_(std::move(root)) {
    build_.modules = {"orderd", "gopkg.in/yaml.v2"};
    build_.minor = 24;
  }
  [[nodiscard]] const BuildInfo& build_info() const override { return build_; }
  [[nodiscard]] const FunctionTable& functions() const override { return table_; }
  [[nodiscard]] std::uint64_t load_bias() const override { return kBias; }
  [[nodiscard]] const Layout& layout() const override { return layouts().front(); }
  [[nodiscard]] bool layout_exact() const override { return true; }
  [[nodiscard]] std::optional<process::Address> global(std::string_view) const override { return std::nullopt; }
  [[nodiscard]] std::string why_missing(std::string_view) const override { return {}; }
  [[nodiscard]] const std::vector<std::string>& wait_reasons() const override { return build_.modules; }
  [[nodiscard]] std::vector<DataRange> data_ranges() const override { return {}; }
  [[nodiscard]] std::optional<Bytes> code(const FunctionRange&) const override { return std::nullopt; }
  [[nodiscard]] std::optional<std::uint64_t> file_offset(std::uint64_t) const override { return std::nullopt; }
  [[nodiscard]] const process::Target& target() const override { throw std::logic_error("not asked for"); }
  [[nodiscard]] TargetInfo target_info() const override { return {}; }

 private:
  BuildInfo build_;
  FakeTable table_;
};

class Collector final : public RecordSink {
 public:
  void accept(const Record& record) override {
    if (const auto* location = std::get_if<LocationRecord>(&record)) {
      CHECK(static_cast<std::size_t>(location->id) == locations.size() + 1);
      locations.push_back(*location);
    }
    if (const auto* stack = std::get_if<StackRecord>(&record)) {
      CHECK(static_cast<std::size_t>(stack->id) == stacks.size() + 1);
      for (const LocationId id : stack->locations) CHECK(static_cast<std::size_t>(id) <= locations.size());
      stacks.push_back(*stack);
    }
  }
  std::vector<LocationRecord> locations;
  std::vector<StackRecord> stacks;
};

}  // namespace

TEST_CASE("a location is defined once, by its link-time address") {
  const FakeProgram program("/usr/lib/go/src/");
  Collector sink;
  Symbolizer symbolizer(program, sink);
  const auto exact = symbolizer.location(kBias + 0x200, false);
  CHECK(symbolizer.location(kBias + 0x201, true) == exact);  // the call before it
  const auto before = symbolizer.location(kBias + 0x200, true);
  CHECK(before != exact);
  CHECK(symbolizer.location(0, true) == LocationId::none);
  REQUIRE(sink.locations.size() == 2);
  CHECK(sink.locations[0].pc == 0x200);
  CHECK(sink.locations[0].frames[0].function == "main.main");
  CHECK(sink.locations[1].frames[0].function == "runtime.gopark");
  const auto unknown = symbolizer.location(kBias + 0x9000, false);
  CHECK(unknown != LocationId::none);
  REQUIRE(sink.locations[2].frames.size() == 1);
  CHECK(sink.locations[2].frames[0].function == "?");
  CHECK_FALSE(sink.locations[2].frames[0].standard_library);
}

TEST_CASE("equal stacks have one id; a truncated one is another") {
  const FakeProgram program("/usr/lib/go/src/");
  Collector sink;
  Symbolizer symbolizer(program, sink);
  const std::vector<process::Address> addresses{kBias + 0x150, kBias + 0x250, kBias + 0x350};
  const auto whole = symbolizer.stack(addresses, true, false);
  CHECK(symbolizer.stack(addresses, true, false) == whole);
  const auto truncated = symbolizer.stack(addresses, true, true);
  CHECK(truncated != whole);
  CHECK(symbolizer.stack(addresses, false, false) != whole);
  REQUIRE(sink.stacks.size() == 3);
  CHECK(sink.stacks[0].locations.size() == 3);
  CHECK(sink.stacks[1].truncated);
  CHECK(sink.locations[0].pc == 0x150);  // exact
  CHECK(sink.locations[1].pc == 0x24f);  // a return address
}

TEST_CASE("wrappers of go statements are left out of stacks, as the heap profile does") {
  const FakeProgram program("/usr/lib/go/src/");
  Collector sink;
  Symbolizer symbolizer(program, sink);
  (void)symbolizer.stack(std::vector<process::Address>{kBias + 0x250, kBias + 0x750, kBias + 0x150}, false, false);
  REQUIRE(sink.stacks.size() == 1);
  REQUIRE(sink.stacks[0].locations.size() == 2);
  CHECK(sink.locations[static_cast<std::size_t>(sink.stacks[0].locations[1]) - 1].pc == 0x14f);
  (void)symbolizer.stack(std::vector<process::Address>{kBias + 0x750}, false, false);
  CHECK(sink.stacks[1].locations.size() == 1);  // where it is itself what is asked for
}

TEST_CASE("what belongs to the standard library") {
  const std::string root = GENERATE("/usr/lib/go/src/", "");  // with and without -trimpath
  CAPTURE(root);
  const FakeProgram program(root);
  Collector sink;
  Symbolizer symbolizer(program, sink);
  for (std::uint64_t pc = 0x100; pc <= 0x600; pc += 0x100) (void)symbolizer.location(kBias + pc, false);
  REQUIRE(sink.locations.size() == 6);
  CHECK(sink.locations[0].frames[0].standard_library);        // runtime
  CHECK_FALSE(sink.locations[1].frames[0].standard_library);  // main
  CHECK(sink.locations[2].frames[0].standard_library);        // net/http
  CHECK_FALSE(sink.locations[2].frames[1].standard_library);  // a module whose path has no dot
  CHECK_FALSE(sink.locations[3].frames[0].standard_library);  // a path with a dot
  CHECK_FALSE(sink.locations[4].frames[0].standard_library);  // cgo
  CHECK_FALSE(sink.locations[5].frames[0].standard_library);  // unknown
}

}  // namespace gotrace::goruntime
