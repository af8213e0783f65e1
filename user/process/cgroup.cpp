#include "process/cgroup.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <optional>

#include "process/proc_text.h"

namespace gotrace::process {
namespace {

constexpr std::size_t kDeepest = 64;

// Is `name` one of the comma-separated names?
bool names(std::string_view list, std::string_view name) {
  while (!list.empty()) {
    const auto comma = list.find(',');
    if (list.substr(0, comma) == name) return true;
    if (comma == std::string_view::npos) break;
    list.remove_prefix(comma + 1);
  }
  return false;
}

// mountinfo writes blanks, tabs, newlines and backslashes as \040 and so on.
std::string unescape(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned code = 0;
    if (text[i] == '\\' && i + 3 < text.size() &&
        std::from_chars(text.data() + i + 1, text.data() + i + 4, code, 8).ptr == text.data() + i + 4) {
      plain.push_back(static_cast<char>(code));
      i += 3;
    } else {
      plain.push_back(text[i]);
    }
  }
  return plain;
}

std::optional<std::uint64_t> number_in(const std::string& path) {
  return single_number(read_proc_text(path).value_or(""));
}

std::uint64_t inactive_file(const std::string& directory, const char* key) {
  const auto numbers = numbers_after(read_proc_text(directory + "/memory.stat").value_or(""), key);
  return numbers.empty() ? 0 : numbers.front();
}

std::optional<MemoryLimit> limit_of(const std::string& directory, std::string_view path, bool v2) {
  // v1 has no word for "no limit": it shows the largest multiple of the page size (mm/page_counter.c).
  constexpr std::uint64_t kUnlimited = 1ULL << 62;
  const auto bytes = number_in(directory + (v2 ? "/memory.max" : "/memory.limit_in_bytes"));
  if (!bytes || *bytes >= kUnlimited) return std::nullopt;
  const auto used = number_in(directory + (v2 ? "/memory.current" : "/memory.usage_in_bytes"));
  if (!used) return std::nullopt;
  const std::uint64_t reclaimable = inactive_file(directory, v2 ? "inactive_file " : "total_inactive_file ");
  return MemoryLimit{.kind = LimitKind::cgroup,
                     .path = std::string(path),
                     .bytes = *bytes,
                     .used_bytes = *used - std::min(*used, reclaimable)};
}

std::string_view parent_of(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == std::string_view::npos || slash == 0 ? std::string_view("/") : path.substr(0, slash);
}

// v2: "50000 100000" or "max 100000"; v1: two files, the quota -1 when there is none. Microseconds.
std::optional<double> quota_of(const std::string& directory, bool v2) {
  const auto text = read_proc_text(directory + (v2 ? "/cpu.max" : "/cpu.cfs_quota_us")).value_or("");
  const auto words = words_of(text);
  if (words.empty()) return std::nullopt;
  const auto quota = single_number(words[0]);
  const auto period =
      v2 ? (words.size() > 1 ? single_number(words[1]) : std::nullopt) : number_in(directory + "/cpu.cfs_period_us");
  if (!quota || !period || *quota == 0 || *period == 0) return std::nullopt;
  return static_cast<double>(*quota) / static_cast<double>(*period);
}

using Visit = std::function<void(const std::string& directory, std::string_view path, bool v2)>;

// A cgroup and all its ancestors, as far as they are mounted; innermost first.
void visit_ancestors(const std::string& root, const CgroupMount& mount, std::string_view path, const Visit& visit) {
  for (std::size_t depth = 0; depth < kDeepest; ++depth) {
    const std::string directory = cgroup_directory(mount, path);
    if (directory.empty()) return;
    visit(root + directory, path, mount.v2);
    if (path == "/" || path == mount.root) return;
    path = parent_of(path);
  }
}

// In each hierarchy that has the controller.
void visit_cgroups(const std::string& root, const std::string& proc_directory, bool CgroupMembership::*has,
                   bool CgroupMount::*mounted, const Visit& visit) {
  const auto mounts = parse_cgroup_mounts(read_proc_text(root + "/proc/self/mountinfo").value_or(""));
  for (const auto& membership : parse_memberships(read_proc_text(root + proc_directory + "/cgroup").value_or(""))) {
    if (!(membership.*has)) continue;
    for (const CgroupMount& mount : mounts) {
      if (mount.v2 != membership.v2 || !(mount.*mounted) || cgroup_directory(mount, membership.path).empty()) continue;
      visit_ancestors(root, mount, membership.path, visit);
      break;
    }
  }
}

}  // namespace

std::vector<CgroupMembership> parse_memberships(std::string_view text) {
  std::vector<CgroupMembership> memberships;
  for (const std::string_view line : lines_of(text)) {  // "hierarchy:controllers:path"
    const auto first = line.find(':');
    const auto second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    const std::string_view controllers = line.substr(first + 1, second - first - 1);
    const bool v2 = line.substr(0, first) == "0" && controllers.empty();
    memberships.push_back({.v2 = v2,
                           .memory = v2 || names(controllers, "memory"),
                           .cpu = v2 || names(controllers, "cpu"),
                           .path = std::string(line.substr(second + 1))});
  }
  return memberships;
}

// man 5 proc: id parent device root point options... [tags...] - type source super-options
std::vector<CgroupMount> parse_cgroup_mounts(std::string_view mountinfo) {
  std::vector<CgroupMount> mounts;
  for (const std::string_view line : lines_of(mountinfo)) {
    const auto words = words_of(line);
    const auto dash = std::ranges::find(words, "-");
    if (words.size() < 6 || words.end() - dash < 4) continue;
    const std::string_view type = dash[1];
    if (type != "cgroup2" && type != "cgroup") continue;
    const bool v2 = type == "cgroup2";
    mounts.push_back({.v2 = v2,
                      .memory = v2 || names(dash[3], "memory"),
                      .cpu = v2 || names(dash[3], "cpu"),
                      .root = unescape(words[3]),
                      .point = unescape(words[4])});
  }
  return mounts;
}

std::string cgroup_directory(const CgroupMount& mount, std::string_view path) {
  if (path.starts_with("/..") || mount.root.starts_with("/..")) return {};
  if (mount.root == "/") return path == "/" ? mount.point : mount.point + std::string(path);
  if (path == mount.root) return mount.point;
  if (!path.starts_with(mount.root + "/")) return {};
  return mount.point + std::string(path.substr(mount.root.size()));
}

std::vector<MemoryLimit> cgroup_memory_limits(const std::string& root, const std::string& proc_directory) {
  std::vector<MemoryLimit> limits;
  visit_cgroups(root, proc_directory, &CgroupMembership::memory, &CgroupMount::memory,
                [&limits](const std::string& directory, std::string_view path, bool v2) {
                  if (auto limit = limit_of(directory, path, v2)) limits.push_back(std::move(*limit));
                });
  return limits;
}

std::optional<double> cgroup_cpu_quota(const std::string& root, const std::string& proc_directory) {
  std::optional<double> tightest;
  visit_cgroups(root, proc_directory, &CgroupMembership::cpu, &CgroupMount::cpu,
                [&tightest](const std::string& directory, std::string_view, bool v2) {
                  const auto quota = quota_of(directory, v2);
                  if (quota) tightest = std::min(tightest.value_or(*quota), *quota);
                });
  return tightest;
}

}  // namespace gotrace::process
