#include "process/process_list.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>
#include <memory>
#include <optional>

#include "base/unique_fd.h"
#include "process/cgroup.h"
#include "process/proc_text.h"

namespace gotrace::process {
namespace {

constexpr std::size_t kIdLength = 64;

bool is_hex(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::vector<pid_t> all_pids(const std::string& proc) {
  std::vector<pid_t> pids;
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(proc.c_str()), ::closedir);
  if (!directory) return pids;
  while (const dirent* entry = ::readdir(directory.get())) {
    const std::string_view name = entry->d_name;
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error == std::errc() && end == name.data() + name.size()) pids.push_back(pid);
  }
  std::ranges::sort(pids);
  return pids;
}

std::string link_text(const std::string& path) {
  std::array<char, 4096> buffer;
  const ssize_t length = ::readlink(path.c_str(), buffer.data(), buffer.size());
  std::string text(buffer.data(), length < 0 ? 0 : static_cast<std::size_t>(length));
  constexpr std::string_view kDeleted = " (deleted)";
  if (text.ends_with(kDeleted)) text.resize(text.size() - kDeleted.size());
  return text;
}

std::vector<std::string> split_args(const std::string& text) {
  std::vector<std::string> args;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\0', at), text.size());
    args.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return args;
}

double clock_seconds(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// The last number of "NSpid:\t1234\t7" (Linux 4.1), the innermost namespace's.
pid_t innermost_pid(const std::string& status, pid_t pid) {
  const auto numbers = numbers_after(status, "NSpid:");
  return numbers.empty() ? pid : static_cast<pid_t>(numbers.back());
}

ProcessEntry describe(pid_t pid, const std::string& directory, std::string exe) {
  ProcessEntry entry{.pid = pid, .ns_pid = pid, .exe = std::move(exe), .container_id = "", .args = {}};
  const std::string status = read_proc_text(directory + "/status").value_or("");
  entry.ns_pid = innermost_pid(status, pid);
  const auto resident = numbers_after(status, "VmRSS:");
  if (!resident.empty()) entry.rss_bytes = resident.front() * 1024;
  const auto stat = parse_stat(read_proc_text(directory + "/stat").value_or(""));
  if (stat) {
    const double started = static_cast<double>(stat->start_ticks) / static_cast<double>(::sysconf(_SC_CLK_TCK));
    entry.uptime_seconds = std::max(0.0, clock_seconds(CLOCK_BOOTTIME) - started);
    entry.started_wall_ns = static_cast<std::int64_t>((clock_seconds(CLOCK_REALTIME) - entry.uptime_seconds) * 1e9);
  }
  for (const CgroupMembership& membership : parse_memberships(read_proc_text(directory + "/cgroup").value_or(""))) {
    if (entry.container_id.empty()) entry.container_id = container_id_of(membership.path);
  }
  entry.args = split_args(read_proc_text(directory + "/cmdline").value_or(""));
  return entry;
}

template <typename Accept>
std::vector<ProcessEntry> list(const std::string& proc, const Accept& accept) {
  std::vector<ProcessEntry> entries;
  for (const pid_t pid : all_pids(proc)) {
    const std::string directory = fmt::format("{}/{}", proc, pid);
    std::string exe = link_text(directory + "/exe");
    if (exe.empty() || !accept(exe)) continue;
    const UniqueFd file(::open((directory + "/exe").c_str(), O_RDONLY | O_CLOEXEC));
    if (file && looks_like_go(file.get())) entries.push_back(describe(pid, directory, std::move(exe)));
  }
  return entries;
}

}  // namespace

// ".../docker-<id>.scope", ".../cri-containerd-<id>.scope", ".../crio-<id>.scope", ".../libpod-<id>.scope" under
// systemd,
// "/docker/<id>", "/kubepods/burstable/pod<uid>/<id>" under cgroupfs. crio-conmon-<id> is the container's monitor.
std::string container_id_of(std::string_view path) {
  std::string found;
  while (!path.empty()) {
    const auto slash = path.find('/');
    std::string_view part = path.substr(0, slash);
    path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
    if (part.find("conmon") != std::string_view::npos) continue;
    if (part.ends_with(".scope")) part.remove_suffix(6);
    if (const auto dash = part.rfind('-'); dash != std::string_view::npos) part = part.substr(dash + 1);
    if (const auto colon = part.rfind(':'); colon != std::string_view::npos) part = part.substr(colon + 1);
    if (part.size() == kIdLength && is_hex(part)) found = part;  // the innermost one
  }
  return found;
}

std::vector<ProcessEntry> go_processes(const std::string& proc) {
  return list(proc, [](const std::string&) { return true; });
}

std::vector<ProcessEntry> go_processes_named(std::string_view name, const std::string& proc) {
  return list(proc, [name](const std::string& exe) { return exe.substr(exe.rfind('/') + 1) == name; });
}

}  // namespace gotrace::process
