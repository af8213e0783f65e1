#include "base/units.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <span>

namespace gotrace {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::array kDurationUnits = {
    Unit{"ns", 1},      Unit{"us", 1'000},       Unit{"\u00b5s", 1'000},     Unit{"ms", 1'000'000},
    Unit{"s", kSecond}, Unit{"m", 60 * kSecond}, Unit{"h", 3'600 * kSecond}, Unit{"d", 86'400 * kSecond},
};
constexpr std::uint64_t kKibi = 1024;
constexpr std::uint64_t kKilo = 1000;
constexpr std::array kSizeUnits = {
    Unit{"b", 1},
    Unit{"k", kKibi},
    Unit{"kib", kKibi},
    Unit{"kb", kKilo},
    Unit{"m", kKibi* kKibi},
    Unit{"mib", kKibi* kKibi},
    Unit{"mb", kKilo* kKilo},
    Unit{"g", kKibi* kKibi* kKibi},
    Unit{"gib", kKibi* kKibi* kKibi},
    Unit{"gb", kKilo* kKilo* kKilo},
    Unit{"t", kKibi* kKibi* kKibi* kKibi},
    Unit{"tib", kKibi* kKibi* kKibi* kKibi},
    Unit{"tb", kKilo* kKilo* kKilo* kKilo},
};

Error usage(std::string text) { return Error{ErrorKind::usage, std::move(text)}; }

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::optional<std::uint64_t> factor_of(std::span<const Unit> units, std::string_view name) {
  for (const Unit& unit : units) {
    if (unit.name == name) return unit.factor;
  }
  return std::nullopt;
}

// A decimal number, held exactly: value = digits / scale.
struct Decimal {
  std::uint64_t digits = 0;
  std::uint64_t scale = 1;
};

// Takes the number at the front of `text`; nullopt when there is none or it has too many digits.
std::optional<Decimal> take_decimal(std::string_view& text) {
  constexpr std::uint64_t limit = std::numeric_limits<std::uint64_t>::max() / 10 - 1;
  Decimal number;
  std::size_t i = 0;
  std::size_t digits = 0;
  bool fraction = false;
  for (; i < text.size() && (is_digit(text[i]) || (text[i] == '.' && !fraction)); ++i) {
    if (text[i] == '.') {
      fraction = true;
      continue;
    }
    if (number.digits > limit || number.scale > limit) return std::nullopt;
    number.digits = number.digits * 10 + static_cast<std::uint64_t>(text[i] - '0');
    if (fraction) number.scale *= 10;
    ++digits;
  }
  if (digits == 0) return std::nullopt;
  text.remove_prefix(i);
  return number;
}

// number * factor, cut off to a whole; nullopt when it does not fit.
std::optional<std::uint64_t> multiply(Decimal number, std::uint64_t factor) {
  const std::uint64_t whole = number.digits / number.scale;
  const std::uint64_t rest = number.digits % number.scale;
  std::uint64_t product = 0;
  if (__builtin_mul_overflow(whole, factor, &product)) return std::nullopt;
  // rest/scale < 1: a double has enough digits for the fractions that people write, and can't overflow here.
  const double part = static_cast<double>(rest) / static_cast<double>(number.scale) * static_cast<double>(factor);
  if (__builtin_add_overflow(product, static_cast<std::uint64_t>(std::llround(part)), &product)) return std::nullopt;
  return product;
}

std::string_view take_unit(std::string_view& text) {
  std::size_t i = 0;
  while (i < text.size() && !is_digit(text[i]) && text[i] != '.') ++i;
  const std::string_view unit = text.substr(0, i);
  text.remove_prefix(i);
  return unit;
}

std::string printed_number(double value, int decimals) { return fmt::format("{:.{}f}", value, decimals); }

std::string magnitude(double bytes) {
  constexpr std::array<std::string_view, 6> units = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  std::size_t unit = 0;
  // 1023.5 would be printed as 1024 of the smaller unit.
  while (bytes >= 1023.5 && unit + 1 < units.size()) {
    bytes /= 1024;
    ++unit;
  }
  int decimals = 1;
  if (unit == 0 || bytes >= 99.95) {
    decimals = 0;
  } else if (unit >= 3 && bytes < 9.995) {
    decimals = 2;
  }
  return fmt::format("{} {}", printed_number(bytes, decimals), units[unit]);
}

std::string two_units(std::uint64_t large, char large_unit, std::uint64_t small, char small_unit, int digits) {
  if (small == 0) return fmt::format("{}{}", large, large_unit);
  return fmt::format("{}{}{:0{}}{}", large, large_unit, small, digits, small_unit);
}

std::string below_a_second(double seconds) {
  if (seconds == 0) return "0s";
  if (seconds < 0.0009995) return fmt::format("{:.0f}us", seconds * 1e6);
  return fmt::format("{:.0f}ms", seconds * 1e3);
}

}  // namespace

Result<std::uint64_t> parse_duration_ns(std::string_view text) {
  constexpr std::string_view how = "write it like 10s, 5m, 250ms or 1h30m";
  std::string_view rest = text;
  std::uint64_t total = 0;
  do {
    const auto number = take_decimal(rest);
    if (!number) return usage(fmt::format("duration \"{}\": not a duration; {}", escape_for_terminal(text), how));
    const std::string_view name = take_unit(rest);
    if (name.empty()) {
      if (rest.empty() && text.find_first_not_of("0123456789.") == std::string_view::npos) {
        return usage(fmt::format("duration \"{0}\": no unit; write {0}s, {0}m or {0}h", escape_for_terminal(text)));
      }
      return usage(fmt::format("duration \"{}\": a number has no unit; {}", escape_for_terminal(text), how));
    }
    const auto factor = factor_of(kDurationUnits, name);
    if (!factor) {
      return usage(fmt::format("duration \"{}\": unknown unit \"{}\"; {}", escape_for_terminal(text),
                               escape_for_terminal(name), how));
    }
    const auto part = multiply(*number, *factor);
    if (!part || __builtin_add_overflow(total, *part, &total)) {
      return usage(fmt::format("duration \"{}\": too long; the longest is about 584 years", escape_for_terminal(text)));
    }
  } while (!rest.empty());
  return total;
}

Result<std::uint64_t> parse_size_bytes(std::string_view text) {
  constexpr std::string_view how = "write it like 8MiB, 64K or 1GB";
  std::string_view rest = text;
  const auto number = take_decimal(rest);
  if (!number) return usage(fmt::format("size \"{}\": not a size; {}", escape_for_terminal(text), how));
  if (rest.empty()) {
    return usage(fmt::format("size \"{0}\": no unit; write {0}B, {0}KiB or {0}MiB", escape_for_terminal(text)));
  }
  const auto factor = factor_of(kSizeUnits, lower(rest));
  if (!factor) {
    return usage(
        fmt::format("size \"{}\": unknown unit \"{}\"; {}", escape_for_terminal(text), escape_for_terminal(rest), how));
  }
  const auto bytes = multiply(*number, *factor);
  if (!bytes) return usage(fmt::format("size \"{}\": too large; the largest is 16777215T", escape_for_terminal(text)));
  return *bytes;
}

Result<double> parse_share(std::string_view text) {
  const std::string shown = escape_for_terminal(text);
  const bool percent = text.ends_with('%');
  const std::string_view digits = percent ? text.substr(0, text.size() - 1) : text;
  std::string_view rest = digits;
  if (!take_decimal(rest) || !rest.empty()) {
    return usage(fmt::format("share \"{}\": not a share; write it like 1% or 0.01", shown));
  }
  double value = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (parsed.ec != std::errc()) return usage(fmt::format("share \"{}\": not a share; write it like 1% or 0.01", shown));
  if (!percent && value >= 1) {
    return usage(fmt::format("share \"{0}\": {0} percent or {0} times? write {0}%, or a fraction like 0.01", shown));
  }
  if (percent && value > 100) return usage(fmt::format("share \"{}\": more than all; write at most 100%", shown));
  return percent ? value / 100 : value;
}

std::string format_bytes(double bytes) {
  if (!std::isfinite(bytes)) return "?";
  return (bytes <= -0.5 ? "-" : "") + magnitude(std::abs(bytes));
}

std::string format_byte_rate(double bytes_per_second) {
  if (!std::isfinite(bytes_per_second)) return "?";
  return (bytes_per_second <= -0.5 ? "-" : "+") + magnitude(std::abs(bytes_per_second)) + "/s";
}

std::string format_duration(double seconds) {
  constexpr double longest = 1e15;  // so that the conversion below is defined
  if (!std::isfinite(seconds) || std::abs(seconds) > longest) return "?";
  if (seconds < 0) return "-" + format_duration(-seconds);
  if (seconds < 0.9995) return below_a_second(seconds);
  const auto whole = static_cast<std::uint64_t>(seconds + 1e-6);  // 37.9999999 came from 38 by arithmetic
  if (whole < 60) return fmt::format("{}s", whole == 0 ? 1 : whole);
  if (whole < 3'600) return two_units(whole / 60, 'm', whole % 60, 's', 2);
  if (whole < 86'400) return two_units(whole / 3'600, 'h', whole / 60 % 60, 'm', 2);
  return two_units(whole / 86'400, 'd', whole / 3'600 % 24, 'h', 1);
}

std::string format_count(std::uint64_t count) {
  std::string out = std::to_string(count);
  for (std::size_t i = out.size(); i > 3; i -= 3) out.insert(i - 3, ",");
  return out;
}

}  // namespace gotrace
