#include "process/proc_text.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <charconv>

#include "base/unique_fd.h"

namespace gotrace::process {

std::optional<std::string> read_proc_text(const std::string& path) {
  constexpr std::size_t kLargest = 1U << 20;
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return std::nullopt;
  std::string text;
  std::array<char, 4096> buffer;
  while (text.size() < kLargest) {
    const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
    if (got < 0) return std::nullopt;
    if (got == 0) break;
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return text;
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const auto end = text.find('\n');
    lines.push_back(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  return lines;
}

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  while (true) {
    const auto begin = text.find_first_not_of(" \t\n");
    if (begin == std::string_view::npos) return words;
    text.remove_prefix(begin);
    const auto end = text.find_first_of(" \t\n");
    words.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return words;
    text.remove_prefix(end);
  }
}

std::optional<std::uint64_t> single_number(std::string_view text) {
  const auto words = words_of(text);
  if (words.size() != 1) return std::nullopt;
  std::uint64_t value = 0;
  const char* end = words[0].data() + words[0].size();
  const auto [stop, error] = std::from_chars(words[0].data(), end, value);
  return error == std::errc() && stop == end ? std::optional(value) : std::nullopt;
}

std::vector<std::uint64_t> numbers_after(std::string_view text, std::string_view key) {
  std::vector<std::uint64_t> numbers;
  for (const std::string_view line : lines_of(text)) {
    if (!line.starts_with(key)) continue;
    for (const std::string_view word : words_of(line.substr(key.size()))) {
      if (const auto number = single_number(word)) numbers.push_back(*number);
    }
    break;
  }
  return numbers;
}

std::optional<ProcStat> parse_stat(std::string_view text) {
  const auto name_end = text.rfind(')');
  if (name_end == std::string_view::npos) return std::nullopt;
  const auto words = words_of(text.substr(name_end + 1));
  constexpr std::size_t kFirst = 3;  // the number of the field behind the name
  constexpr std::size_t kStartTime = 22;
  constexpr std::size_t kCodeStart = 26;
  constexpr std::size_t kStackStart = 28;
  if (words.size() <= kStartTime - kFirst) return std::nullopt;
  const auto field = [&words](std::size_t number) {
    return number - kFirst < words.size() ? single_number(words[number - kFirst]).value_or(0) : 0;
  };
  return ProcStat{.state = words[0].empty() ? '?' : words[0].front(),
                  .flags = field(9),
                  .user_ticks = field(14),
                  .system_ticks = field(15),
                  .threads = field(20),
                  .start_ticks = field(kStartTime),
                  .code_start = field(kCodeStart),
                  .stack_start = field(kStackStart)};
}

}  // namespace gotrace::process
