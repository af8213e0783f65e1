#include "base/terminal_text.h"

#include <catch2/catch.hpp>

using gotrace::escape_for_terminal;

TEST_CASE("names as Go writes them stay as they are") {
  for (const std::string name : {"net/http.(*conn).serve", "main.Map[...].put", "a\\b", "main.größe·f",
                                 "main.\u4e16\u754c", "main.\U0001f600"}) {
    CHECK(escape_for_terminal(name) == name);
  }
  CHECK(escape_for_terminal("").empty());
}

TEST_CASE("what steers a terminal is escaped") {
  CHECK(escape_for_terminal("a\x1b[31mb") == "a\\x1b[31mb");
  CHECK(escape_for_terminal("a\nb\tc\x7f") == "a\\x0ab\\x09c\\x7f");
  CHECK(escape_for_terminal(std::string("a\0b", 3)) == "a\\x00b");
  CHECK(escape_for_terminal("\xc2\x9b") == "\\xc2\\x9b");  // C1: CSI
  CHECK(escape_for_terminal("\xe2\x80\xae"
                            "x") == "\\xe2\\x80\\xaex");            // right-to-left override
  CHECK(escape_for_terminal("\xe2\x81\xa6") == "\\xe2\\x81\\xa6");  // isolate
  CHECK(escape_for_terminal("\xe2\x80\x8b") == "\\xe2\\x80\\x8b");  // zero width space
  CHECK(escape_for_terminal("\xef\xbb\xbf") == "\\xef\\xbb\\xbf");  // byte order mark
}

TEST_CASE("invalid UTF-8 is escaped byte for byte and what follows is kept") {
  CHECK(escape_for_terminal("\xff"
                            "a") == "\\xffa");
  CHECK(escape_for_terminal("\x80") == "\\x80");
  CHECK(escape_for_terminal("\xc3") == "\\xc3");                             // cut off
  CHECK(escape_for_terminal("\xc3(") == "\\xc3(");                           // no continuation
  CHECK(escape_for_terminal("\xc0\xaf") == "\\xc0\\xaf");                    // overlong
  CHECK(escape_for_terminal("\xe0\x80\xaf") == "\\xe0\\x80\\xaf");           // overlong
  CHECK(escape_for_terminal("\xed\xa0\x80") == "\\xed\\xa0\\x80");           // surrogate
  CHECK(escape_for_terminal("\xf4\x90\x80\x80") == "\\xf4\\x90\\x80\\x80");  // past U+10FFFF
}

TEST_CASE("ascii only escapes all else") {
  CHECK(escape_for_terminal("gr\xc3\xb6\xc3\x9f"
                            "e",
                            true) ==
        "gr\\xc3\\xb6\\xc3\\x9f"
        "e");
  CHECK(escape_for_terminal("plain", true) == "plain");
}
