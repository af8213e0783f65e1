// Text files of procfs and cgroupfs, parsed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gotrace::process {

// A whole small file, at most 1 MiB of it; nullopt when it can't be opened or read.
[[nodiscard]] std::optional<std::string> read_proc_text(const std::string& path);

// The numbers that follow `key` on the first line that begins with it: "VmRSS:   123 kB" -> {123}.
[[nodiscard]] std::vector<std::uint64_t> numbers_after(std::string_view text, std::string_view key);

// Text that is one number; nullopt for anything else ("max", "").
[[nodiscard]] std::optional<std::uint64_t> single_number(std::string_view text);

struct ProcStat {  // of /proc/PID/stat (man 5 proc)
  char state = '?';
  std::uint64_t flags = 0;  // PF_*, include/linux/sched.h
  std::uint64_t user_ticks = 0;
  std::uint64_t system_ticks = 0;
  std::uint64_t threads = 0;
  std::uint64_t start_ticks = 0;  // since boot
  std::uint64_t code_start = 0;   // address; 0: no memory, or an exec has not laid it out yet. 1: hidden from us
  std::uint64_t stack_start = 0;  // address; 0: hidden from us. Another one after each exec (address randomisation)
};
// nullopt when it is cut short. The name in it may hold spaces and parentheses.
[[nodiscard]] std::optional<ProcStat> parse_stat(std::string_view text);

// Lines of `text` without their ends.
[[nodiscard]] std::vector<std::string_view> lines_of(std::string_view text);
// The parts of `text` between spaces and tabs.
[[nodiscard]] std::vector<std::string_view> words_of(std::string_view text);

}  // namespace gotrace::process
