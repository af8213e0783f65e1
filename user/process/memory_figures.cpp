#include "process/memory_figures.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>

#include "process/cgroup.h"
#include "process/open_files.h"
#include "process/proc_text.h"

namespace gotrace::process {
namespace {

constexpr std::uint64_t kKilobyte = 1024;

std::uint64_t kilobytes(std::string_view text, std::string_view key) {
  const auto numbers = numbers_after(text, key);
  return numbers.empty() ? 0 : numbers.front() * kKilobyte;
}

// "Max address space     unlimited    unlimited    bytes": the soft limit.
std::optional<std::uint64_t> address_space_limit(const std::string& limits) {
  constexpr std::string_view kKey = "Max address space";
  for (const std::string_view line : lines_of(limits)) {
    if (!line.starts_with(kKey)) continue;
    const auto words = words_of(line.substr(kKey.size()));
    return words.empty() ? std::nullopt : single_number(words.front());
  }
  return std::nullopt;
}

void add_limits(const std::string& root, const std::string& process, MemoryFigures& figures) {
  figures.limits = cgroup_memory_limits(root, process);
  if (const auto bytes = address_space_limit(read_proc_text(root + process + "/limits").value_or(""))) {
    figures.limits.push_back({.kind = LimitKind::rlimit, .path = "", .bytes = *bytes, .used_bytes = figures.vm_bytes});
  }
  const std::string machine = read_proc_text(root + "/proc/meminfo").value_or("");
  figures.machine_bytes = kilobytes(machine, "MemTotal:");
  if (figures.machine_bytes == 0) return;
  const std::uint64_t available = std::min(kilobytes(machine, "MemAvailable:"), figures.machine_bytes);
  figures.limits.push_back({.kind = LimitKind::machine,
                            .path = "",
                            .bytes = figures.machine_bytes,
                            .used_bytes = figures.machine_bytes - available});
}

}  // namespace

std::optional<MemoryFigures> read_memory_figures_below(const std::string& root, pid_t pid, std::uint64_t now_ns) {
  const std::string process = fmt::format("/proc/{}", pid);
  const auto status = read_proc_text(root + process + "/status");
  const auto stat = parse_stat(read_proc_text(root + process + "/stat").value_or(""));
  if (!status || !stat || numbers_after(*status, "VmSize:").empty()) return std::nullopt;  // a zombie has no memory
  MemoryFigures figures;
  figures.time_ns = now_ns;
  figures.vm_bytes = kilobytes(*status, "VmSize:");
  figures.rss_anon_bytes = kilobytes(*status, "RssAnon:");
  figures.rss_file_bytes = kilobytes(*status, "RssFile:");
  figures.rss_shmem_bytes = kilobytes(*status, "RssShmem:");
  // VmRSS is their sum, but sampled at another moment; the parts must add up to the whole.
  figures.rss_bytes = figures.rss_anon_bytes + figures.rss_file_bytes + figures.rss_shmem_bytes;
  figures.shared_bytes = figures.rss_file_bytes + figures.rss_shmem_bytes;
  figures.swap_bytes = kilobytes(*status, "VmSwap:");
  figures.threads = stat->threads;
  figures.open_files = count_open_files(root, pid).value_or(0);
  const auto tick_ns = 1'000'000'000 / static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  figures.cpu_ns = (stat->user_ticks + stat->system_ticks) * tick_ns;
  add_limits(root, process, figures);
  return figures;
}

std::optional<MemoryFigures> read_memory_figures(const Target& target, std::uint64_t now_ns) {
  if (target.post_mortem() != nullptr) return std::nullopt;  // another process may have its number now
  auto figures = read_memory_figures_below("", target.pid(), now_ns);
  return target.alive() ? figures : std::nullopt;
}

}  // namespace gotrace::process
