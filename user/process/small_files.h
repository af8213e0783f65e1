// The small text files of procfs and cgroupfs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gotrace::process {

// At most 1 MiB of it; nullopt when it can't be read.
[[nodiscard]] std::optional<std::string> read_small_file(const std::string& path);
// The decimal number after the first line that begins with `key`; nullopt: no such line, or no number there.
[[nodiscard]] std::optional<std::uint64_t> number_after(std::string_view text, std::string_view key);

}  // namespace gotrace::process
