// What this host lets us do: kernel, privileges, BPF, uprobes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gotrace::cli {

enum class Health : std::uint8_t {
  good,
  limited,  // something is left out; the main job works
  broken,   // the main job can't be done
};
struct Check {
  Health health = Health::good;
  std::string what;    // "CAP_BPF: missing"
  std::string effect;  // what follows from it; may be empty
  std::string advice;  // what to do; may be empty
};

// Bits of CapEff in the text of /proc/PID/status; 0 when there is none.
[[nodiscard]] std::uint64_t effective_capabilities(std::string_view proc_status);
// `ptrace_scope`: contents of /proc/sys/kernel/yama/ptrace_scope, empty where there is no Yama.
[[nodiscard]] std::vector<Check> check_capabilities(std::uint64_t effective, std::string_view ptrace_scope);
[[nodiscard]] std::vector<Check> check_host();

}  // namespace gotrace::cli
