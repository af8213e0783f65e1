// The JSON report against its shipped schema, and the meaning of null, [] and 0.
#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "models.h"
#include "report/report.h"

using namespace gotrace;
using namespace gotrace::report;
using nlohmann::json;

namespace {

// As much of JSON Schema draft-07 as report.schema.json uses; an unknown keyword fails the test.
class Validator {
 public:
  explicit Validator(const json& schema) : root_(schema) {}
  std::vector<std::string> check(const json& value) {
    visit(root_, value, "$");
    return std::move(errors_);
  }

 private:
  static bool is_type(const json& value, const std::string& type) {
    if (type == "integer") return value.is_number_integer();
    if (type == "number") return value.is_number();
    return value.type_name() == type;
  }
  void fail(const std::string& path, const std::string& what) { errors_.push_back(path + ": " + what); }
  void visit(const json& schema, const json& value, const std::string& path) {
    if (schema.contains("$ref"))
      return visit(root_.at(json::json_pointer(schema["$ref"].get<std::string>().substr(1))), value, path);
    for (const auto& [key, rule] : schema.items()) apply(key, rule, value, path);
  }
  void apply(const std::string& key, const json& rule, const json& value, const std::string& path) {
    static const std::vector<std::string> kNotes = {"$schema", "$id", "title", "description", "format", "definitions"};
    if (key == "type") {
      const auto types = rule.is_array() ? rule.get<std::vector<std::string>>() : std::vector<std::string>{rule};
      if (std::none_of(types.begin(), types.end(), [&](const auto& type) { return is_type(value, type); }))
        fail(path, "is " + value.dump().substr(0, 40) + ", not " + rule.dump());
    } else if (key == "enum") {
      if (std::find(rule.begin(), rule.end(), value) == rule.end()) fail(path, "not one of " + rule.dump());
    } else if (key == "const") {
      if (value != rule) fail(path, "not " + rule.dump());
    } else if (key == "required") {
      for (const auto& name : rule)
        if (value.is_object() && !value.contains(name)) fail(path, "lacks " + name.dump());
    } else if (key == "properties") {
      for (const auto& [name, part] : rule.items())
        if (value.is_object() && value.contains(name)) visit(part, value[name], path + "." + name);
    } else if (key == "items") {
      if (value.is_array())
        for (std::size_t i = 0; i < value.size(); ++i) visit(rule, value[i], path + "[" + std::to_string(i) + "]");
    } else if (key == "additionalProperties") {
      if (value.is_object())
        for (const auto& [name, part] : value.items()) visit(rule, part, path + "." + name);
    } else if (key == "maxItems") {
      if (value.is_array() && value.size() > rule.get<std::size_t>()) fail(path, "too many items");
    } else if (std::find(kNotes.begin(), kNotes.end(), key) == kNotes.end()) {
      fail(path, "the test does not know the schema keyword " + key);
    }
  }
  const json& root_;
  std::vector<std::string> errors_;
};

json load_schema() {
  std::ifstream file(std::string(GOTRACE_SOURCE_DIR) + "/include/gotrace/report.schema.json");
  REQUIRE(file.good());
  return json::parse(file);
}

json report_of(const detect::Analysis& analysis) { return json::parse(render_json(analysis, {})); }

// Keys of an object that the schema does not describe: the schema must not fall behind.
void check_described(const json& root, const json& schema, const json& value, const std::string& path) {
  if (schema.contains("$ref"))
    return check_described(root, root.at(json::json_pointer(schema["$ref"].get<std::string>().substr(1))), value, path);
  if (value.is_object() && schema.contains("properties"))
    for (const auto& [name, part] : value.items()) {
      INFO(path + "." + name);
      REQUIRE(schema["properties"].contains(name));
      check_described(root, schema["properties"][name], part, path + "." + name);
    }
  if (value.is_array() && schema.contains("items"))
    for (const auto& item : value) check_described(root, schema["items"], item, path + "[]");
}

}  // namespace

TEST_CASE("every report fits the schema, and the schema describes every key") {
  const auto schema = load_schema();
  for (const auto& analysis : {test::leaking(), test::healthy(), test::stuck(), test::unknown(), test::hostile(),
                               test::proved(), test::nothing_proved(), test::unprovable()}) {
    const auto report = report_of(analysis);
    CHECK(Validator(schema).check(report) == std::vector<std::string>{});
    check_described(schema, schema, report, "$");
  }
}

TEST_CASE("the validator of this test can fail") {
  const auto schema = load_schema();
  auto report = report_of(test::leaking());
  report["summary"].erase("headline");
  report["findings"][0]["verdict"] = "maybe";
  report["window"]["seconds"] = "ten";
  CHECK(Validator(schema).check(report).size() == 3);
}

TEST_CASE("what is not known is null; what is known to be none is empty; zero is measured") {
  const auto nothing = report_of(test::unknown());
  CHECK(nothing["target"]["pid"].is_null());
  CHECK(nothing["target"]["stripped"].is_null());
  CHECK(nothing["memory"]["rss_bytes"].is_null());
  CHECK(nothing["memory"]["rss_parts"].is_null());
  CHECK(nothing["goroutines"]["groups"].is_null());
  CHECK(nothing["window"]["end"].is_null());
  CHECK(nothing["findings"] == json::array());
  CHECK(nothing["sources"]["writes"] == json::array());
  const auto healthy = report_of(test::healthy());
  CHECK(healthy["loss"]["events"] == 0);
  CHECK(healthy["summary"]["not_checked"] == json::array());
  CHECK(report_of(test::stuck())["call_sites"].is_null());
}

TEST_CASE("values come through, in base units") {
  const auto report = report_of(test::leaking());
  CHECK(report["schema"] == "gotrace-leak/report/1");
  CHECK(report["summary"]["verdict"] == "leak");
  CHECK(report["window"]["start"] == "2026-11-23T03:07:12Z");
  CHECK(report["target"]["started"] == "2026-11-23T02:53:10Z");
  CHECK(report["overhead"]["budget"] == 0.01);
  CHECK(report["overhead"]["estimated"].get<double>() == Approx(0.004));
  const auto& finding = report["findings"][0];
  CHECK(finding["where"] ==
        json{{"function", "main.(*API).quote"}, {"file", "/src/orderd/quote.go"}, {"line", 88}, {"inlined", false}});
  CHECK(finding["growth_per_second"] == 5.0);
  CHECK(finding["growth"] == json{{"unit", "goroutines"}, {"per_second", 5.0}, {"low", 4.7}, {"high", 5.3}});
  std::uint64_t sum = 0;
  for (const auto& [name, bytes] : report["memory"]["rss_parts"].items()) sum += bytes.get<std::uint64_t>();
  CHECK(sum == report["memory"]["rss_bytes"].get<std::uint64_t>());
}

TEST_CASE("key order is fixed") {
  const auto report = nlohmann::ordered_json::parse(render_json(test::leaking(), {}));
  std::vector<std::string> keys;
  for (const auto& [name, value] : report.items()) keys.push_back(name);
  CHECK(keys == std::vector<std::string>{"schema", "schema_minor", "tool", "summary", "target", "window", "sources",
                                         "overhead", "loss", "memory", "goroutines", "call_sites", "findings", "proof",
                                         "held_by"});
}

TEST_CASE("JSON lines: a header, then one value a line") {
  std::istringstream stream(render_jsonl(test::leaking(), {}));
  std::vector<std::string> types;
  for (std::string line; std::getline(stream, line);) types.push_back(json::parse(line)["type"]);
  CHECK(types == std::vector<std::string>{"header", "memory", "finding", "finding", "group", "call_site"});
}

TEST_CASE("formats are found by name") {
  CHECK(find_format("json") != nullptr);
  CHECK(find_format("jsonl")->render == render_jsonl);
  CHECK(find_format("yaml") == nullptr);
}

TEST_CASE("who holds the heap: what is not known is null, what was asked for is there") {
  const auto nothing = json::parse(render_json(test::unprovable(), {}));
  CHECK(nothing["held_by"].is_null());
  const auto report = json::parse(render_json(test::nothing_proved(), {}));
  const auto& held = report["held_by"];
  CHECK(held["off"].is_null());
  CHECK(held["retainers"].size() == 4);
  CHECK(held["retainers"][0]["kind"] == "package-variable");
  CHECK(held["retainers"][0]["goroutines"].is_null());
  CHECK(held["retainers"][1]["goroutines"] == 5000);
  CHECK(held["why"]["asked"] == "main.session");
  CHECK(held["why"]["not"].is_null());
  CHECK(held["why"]["ways"].size() == 1);
  auto off = test::proved();
  off.holders->off = "too large";
  const auto none = json::parse(render_json(off, {}));
  CHECK(none["held_by"]["off"] == "too large");
  CHECK(none["held_by"]["retainers"].is_null());
  CHECK(none["held_by"]["why"].is_null());
}
