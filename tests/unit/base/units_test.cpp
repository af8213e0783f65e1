#include "base/units.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

using namespace gotrace;

namespace {
std::uint64_t duration(std::string_view text) { return parse_duration_ns(text).value(); }
std::uint64_t size(std::string_view text) { return parse_size_bytes(text).value(); }
template <typename T>
std::string refused(const Result<T>& result) {
  REQUIRE_FALSE(result.ok());
  CHECK(result.error().kind == ErrorKind::usage);
  CHECK(result.error().text.find('\n') == std::string::npos);
  return result.error().text;
}
}  // namespace

TEST_CASE("durations are read in every unit, also several and fractions") {
  CHECK(duration("10s") == 10'000'000'000);
  CHECK(duration("5m") == 300'000'000'000);
  CHECK(duration("250ms") == 250'000'000);
  CHECK(duration("1h30m") == 5'400'000'000'000);
  CHECK(duration("1.5h") == 5'400'000'000'000);
  CHECK(duration("2d") == 172'800'000'000'000);
  CHECK(duration("7ns") == 7);
  CHECK(duration("40us") == 40'000);
  CHECK(duration("0s") == 0);
  CHECK(duration("0.3s") == 300'000'000);
  CHECK(duration("18446744073s") == 18'446'744'073'000'000'000U);
}

TEST_CASE("a duration that is not clear is refused and the text says what to write") {
  CHECK(refused(parse_duration_ns("10")) == "duration \"10\": no unit; write 10s, 10m or 10h");
  CHECK_THAT(refused(parse_duration_ns("0")), Catch::Contains("no unit"));
  CHECK_THAT(refused(parse_duration_ns("10x")), Catch::Contains("unknown unit \"x\""));
  CHECK_THAT(refused(parse_duration_ns("1h30")), Catch::Contains("has no unit"));
  CHECK_THAT(refused(parse_duration_ns("1.2.3s")), Catch::Contains("no unit"));
  for (const auto* text : {"", "s", ".", ".s", "-5s", "+5s", " 5s", "5 s", "5S", "1e3s", "\x1b[2Js"}) {
    INFO(text);
    CHECK(refused(parse_duration_ns(text)).find('\x1b') == std::string::npos);
  }
  for (const auto* text : {"18446744074s", "300000000000000d", "584y", "99999999999999999999999s", "500000000h"}) {
    INFO(text);
    refused(parse_duration_ns(text));
  }
  refused(parse_duration_ns("213503d213503d"));
}

TEST_CASE("sizes: 1024 for K and KiB, 1000 for KB") {
  CHECK(size("8MiB") == 8U * 1024 * 1024);
  CHECK(size("8M") == 8U * 1024 * 1024);
  CHECK(size("1MB") == 1'000'000);
  CHECK(size("64K") == 65'536);
  CHECK(size("64KiB") == 65'536);
  CHECK(size("64kb") == 64'000);
  CHECK(size("1GB") == 1'000'000'000);
  CHECK(size("1G") == 1'073'741'824);
  CHECK(size("1.5GiB") == 1'610'612'736);
  CHECK(size("2T") == 2'199'023'255'552);
  CHECK(size("512B") == 512);
  CHECK(size("16777215T") == 16'777'215ULL << 40);
}

TEST_CASE("a size that is not clear is refused") {
  CHECK(refused(parse_size_bytes("8")) == "size \"8\": no unit; write 8B, 8KiB or 8MiB");
  for (const auto* text :
       {"", "M", "8X", "8 MiB", "-8M", "8MM", "1K2K", "16777216T", "8.M.", "18446744073709551616B"}) {
    INFO(text);
    refused(parse_size_bytes(text));
  }
}

TEST_CASE("shares: percent or fraction, and never a bare 1") {
  CHECK(parse_share("1%").value() == Approx(0.01));
  CHECK(parse_share("0.01").value() == Approx(0.01));
  CHECK(parse_share("0.5%").value() == Approx(0.005));
  CHECK(parse_share("100%").value() == 1);
  CHECK(parse_share("0%").value() == 0);
  CHECK(parse_share("0").value() == 0);
  CHECK_THAT(refused(parse_share("1")), Catch::Contains("write 1%"));
  CHECK_THAT(refused(parse_share("101%")), Catch::Contains("100%"));
  for (const auto* text : {"", "%", "1.0", "5", "-1%", "nan", "inf%", "0x1p-3", "1%%", "1 %", "1e-3"}) {
    INFO(text);
    refused(parse_share(text));
  }
}

TEST_CASE("bytes are printed with three digits at most where it matters") {
  CHECK(format_bytes(0) == "0 B");
  CHECK(format_bytes(512) == "512 B");
  CHECK(format_bytes(1023) == "1023 B");
  CHECK(format_bytes(1024) == "1.0 KiB");
  CHECK(format_bytes(12.4 * 1024 * 1024) == "12.4 MiB");
  CHECK(format_bytes(842.0 * 1024 * 1024) == "842 MiB");
  CHECK(format_bytes(1.62 * 1024 * 1024 * 1024) == "1.62 GiB");
  CHECK(format_bytes(12.0 * 1024 * 1024 * 1024) == "12.0 GiB");
  CHECK(format_bytes(1024 * 1023.9) == "1.0 MiB");
  CHECK(format_bytes(99.96 * 1024) == "100 KiB");
  CHECK(format_bytes(-2048) == "-2.0 KiB");
  CHECK(format_bytes(-0.2) == "0 B");
  CHECK(format_bytes(std::numeric_limits<double>::quiet_NaN()) == "?");
  CHECK(format_bytes(std::numeric_limits<double>::infinity()) == "?");
  CHECK(format_byte_rate(1024.0 * 1024) == "+1.0 MiB/s");
  CHECK(format_byte_rate(-512) == "-512 B/s");
  CHECK(format_byte_rate(0) == "+0 B/s");
}

TEST_CASE("durations are printed with their two largest units, cut off") {
  CHECK(format_duration(0) == "0s");
  CHECK(format_duration(0.25) == "250ms");
  CHECK(format_duration(0.00004) == "40us");
  CHECK(format_duration(0.9999) == "1s");
  CHECK(format_duration(38) == "38s");
  CHECK(format_duration(38.9) == "38s");
  CHECK(format_duration(37.9999999) == "38s");
  CHECK(format_duration(59.9) == "59s");
  CHECK(format_duration(14 * 60 + 2) == "14m02s");
  CHECK(format_duration(300) == "5m");
  CHECK(format_duration(3 * 3600 + 5 * 60 + 59) == "3h05m");
  CHECK(format_duration(6 * 86400 + 2 * 3600) == "6d2h");
  CHECK(format_duration(6 * 86400 + 12 * 3600) == "6d12h");
  CHECK(format_duration(-38) == "-38s");
  CHECK(format_duration(1e300) == "?");
  CHECK(format_duration(std::nan("")) == "?");
}

TEST_CASE("counts carry thousands commas") {
  CHECK(format_count(0) == "0");
  CHECK(format_count(999) == "999");
  CHECK(format_count(4'212) == "4,212");
  CHECK(format_count(862'000) == "862,000");
  CHECK(format_count(std::numeric_limits<std::uint64_t>::max()) == "18,446,744,073,709,551,615");
}
