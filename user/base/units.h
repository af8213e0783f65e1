// Quantities as people write and read them: durations, sizes, shares, counts. Parsing is strict: what could mean two
// things is an Error (ErrorKind::usage) that says what to write. Formatting never depends on the locale.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/terminal_text.h"  // IWYU pragma: export

namespace gotrace {

// "10s", "250ms", "1h30m", "1.5h" in nanoseconds; units ns, us, ms, s, m, h, d. A bare number is an Error, and so is
// what does not fit into 64 bits. "0s" is 0: whether that makes sense is the caller's to say.
[[nodiscard]] Result<std::uint64_t> parse_duration_ns(std::string_view text);

// "8MiB", "1MB", "1.5G", "512B" in bytes. K/M/G/T and KiB/MiB/GiB/TiB are powers of 1024, KB/MB/GB/TB powers of 1000;
// upper and lower case are the same. A bare number is an Error.
[[nodiscard]] Result<std::uint64_t> parse_size_bytes(std::string_view text);

// "1%" or "0.01" as 0.01; from 0 to 1. A bare number from 1 up is an Error: it could mean 1% or everything.
[[nodiscard]] Result<double> parse_share(std::string_view text);

// "512 B", "12.4 MiB", "842 MiB", "1.62 GiB"; powers of 1024. "?" when not finite.
[[nodiscard]] std::string format_bytes(double bytes);

// With its sign: "+1.0 MiB/s", "-512 B/s", "+0 B/s".
[[nodiscard]] std::string format_byte_rate(double bytes_per_second);

// The two largest units, cut off, not rounded (ages are lower bounds): "38s", "14m02s", "5m", "3h05m", "6d2h". Below a
// second "250ms" or "40us", rounded. "?" when not finite.
[[nodiscard]] std::string format_duration(double seconds);

// With thousands separated: "4,212".
[[nodiscard]] std::string format_count(std::uint64_t count);

}  // namespace gotrace
