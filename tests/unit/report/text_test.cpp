// The text report: whole outputs of the three model screens, and promises that hold for every analysis.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "models.h"
#include "report/page.h"
#include "report/report.h"

using namespace gotrace;
using namespace gotrace::report;

namespace {

// With GOTRACE_REGEN=1 the expected file is written anew (and then reviewed as a diff).
void check_golden(const std::string& name, const std::string& text) {
  const std::string path = std::string(GOTRACE_SOURCE_DIR) + "/tests/unit/report/golden/" + name + ".txt";
  if (std::getenv("GOTRACE_REGEN") != nullptr) std::ofstream(path) << text;
  std::ostringstream expected;
  expected << std::ifstream(path).rdbuf();
  CHECK(text == expected.str());
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::vector<detect::Analysis> everything() {
  return {test::leaking(), test::healthy(), test::stuck(),          test::unknown(),
          test::hostile(), test::proved(),  test::nothing_proved(), test::unprovable()};
}

}  // namespace

TEST_CASE("leaking: the whole report") { check_golden("leaking", render_text(test::leaking(), {})); }
TEST_CASE("healthy: the whole report") { check_golden("healthy", render_text(test::healthy(), {})); }
TEST_CASE("stuck: the whole report") { check_golden("stuck", render_text(test::stuck(), {})); }
TEST_CASE("proved: the whole report") { check_golden("proved", render_text(test::proved(), {})); }
TEST_CASE("nothing proved: the whole report") {
  check_golden("nothing-proved", render_text(test::nothing_proved(), {}));
}
TEST_CASE("why nothing can be proved is the first thing said") {
  CHECK(lines_of(render_text(test::unprovable(), {})).front() ==
        "NOTHING CAN BE PROVED of billing (pid 4242): it has loaded plugins, whose");
}
TEST_CASE("healthy: everything with --all") {
  ReportOptions options;
  options.all = true;
  check_golden("healthy-all", render_text(test::healthy(), options));
}
TEST_CASE("explain: a finding in full") {
  const auto text = render_finding(test::leaking(), "gl-7c19e2d4", {});
  REQUIRE(text.ok());
  check_golden("explain", text.value());
}
TEST_CASE("the live screen") { check_golden("screen", render_screen(test::leaking(), {}, 24)); }

TEST_CASE("no line is wider than the page, at any width") {
  for (const auto& analysis : everything())
    for (const int width : {40, 60, 80, 132}) {
      ReportOptions options;
      options.width = width;
      for (const bool all : {false, true}) {
        options.all = all;
        for (const auto& line : lines_of(render_text(analysis, options))) {
          INFO(line);
          CHECK(columns(line) <= static_cast<std::size_t>(width));
        }
      }
      for (const auto& line : lines_of(render_screen(analysis, options, 20))) {
        INFO(line);
        CHECK(columns(line) <= static_cast<std::size_t>(width));
      }
    }
}

TEST_CASE("the screen never has more lines than the terminal") {
  for (const auto& analysis : everything())
    for (const int height : {8, 10, 24, 50})
      CHECK(lines_of(render_screen(analysis, {}, height)).size() <= static_cast<std::size_t>(height));
}

TEST_CASE("names of the target cannot control the terminal") {
  for (const bool utf8 : {false, true}) {
    ReportOptions options;
    options.utf8 = utf8;
    options.all = true;
    auto text = render_text(test::hostile(), options) + render_screen(test::hostile(), options, 30);
    text += render_finding(test::hostile(), "gl-7c19e2d4", options).value();
    for (const char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte == '\n') continue;
      REQUIRE(byte >= 0x20);
      REQUIRE(byte != 0x7f);
      if (!utf8) REQUIRE(byte < 0x80);
    }
    for (auto line : lines_of(text)) {
      if (line.find("gotrace-leak ") == std::string::npos) continue;  // no command to copy
      if (line.back() == '\\') line.pop_back();                       // continued on the next line
      CHECK(line.find_first_of("$`;()\\") == std::string::npos);
    }
  }
}

TEST_CASE("colour only when asked for, and it changes no text") {
  ReportOptions options;
  options.color = true;
  auto text = render_text(test::leaking(), options);
  CHECK(text.find("\x1b[1;31m") != std::string::npos);
  for (auto at = text.find('\x1b'); at != std::string::npos; at = text.find('\x1b'))
    text.erase(at, text.find('m', at) - at + 1);
  CHECK(text == render_text(test::leaking(), {}));
}

TEST_CASE("how it ended is said") {
  auto analysis = test::healthy();
  analysis.window.end = EndReason::target_exited;
  CHECK(render_text(analysis, {}).find("exited during") != std::string::npos);
  CHECK(render_text(analysis, {}).find("gotrace-leak -p") == std::string::npos);  // nobody is there any more
  analysis.window.end.reset();
  CHECK(render_text(analysis, {}).find("cut short") != std::string::npos);
}

TEST_CASE("explain: an unknown id lists those that there are") {
  const auto text = render_finding(test::leaking(), "gl-\x1b[0m", {});
  REQUIRE_FALSE(text.ok());
  CHECK(text.error().text == "no finding gl-\\x1b[0m: there are: gl-7c19e2d4, gc-b2018f6a");
  CHECK_FALSE(render_finding(test::healthy(), "x", {}).ok());
}

TEST_CASE("shorten keeps the end of a name") {
  CHECK(shorten("abcdefghij", 10) == "abcdefghij");
  CHECK(shorten("abcdefghijk", 8) == "ab..hijk");
  CHECK(columns(shorten("日本語の長い名前です", 9)) <= 9);
}

TEST_CASE("page: a paragraph breaks at spaces, and a word that is too long anywhere") {
  ReportOptions options;
  options.width = 40;
  Page page(options);
  page.paragraph("label  ", 7, "one two three four five six seven eight " + std::string(40, 'x'));
  CHECK(page.take() == "label  one two three four five six seven\n       eight\n       " + std::string(33, 'x') +
                           "\n       " + std::string(7, 'x') + "\n");
}
