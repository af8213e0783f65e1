#include "goruntime/target_info.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <sstream>

namespace gotrace::goruntime {
namespace {

constexpr std::size_t kContainerIdLength = 64;
constexpr std::uint32_t kMostProcessors = 1 << 20;
constexpr std::uint16_t kLargestSmallObject = 32768;  // runtime/sizeclasses.go: the last entry of the table

std::string file_text(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream text;
  if (in) text << in.rdbuf();
  return text.str();
}

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? std::string(name.data()) : std::string();
}

// "NSpid:\t4242\t17": the last one is that of the innermost namespace.
std::int32_t namespace_pid(std::string_view status, std::int32_t otherwise) {
  const auto key = status.find("\nNSpid:");
  if (key == std::string_view::npos) return otherwise;
  const std::string_view line = status.substr(key + 1, status.find('\n', key + 1) - key - 1);
  const auto last = line.find_last_of("\t ");
  std::int32_t pid = otherwise;
  if (last != std::string_view::npos) std::from_chars(line.data() + last + 1, line.data() + line.size(), pid);
  return pid;
}

template <typename T>
std::optional<T> field_value(const Program& program, std::string_view global, const Field& field) {
  const auto address = program.global(global);
  if (!address || !field.present() || field.size != sizeof(T)) return std::nullopt;
  return program.target().memory().value<T>(*address + field.offset);
}

std::vector<std::uint32_t> size_classes(const Program& program) {
  const auto address = program.global("class_to_size");
  const auto table =
      address ? program.target().memory().block(*address, kSizeClasses * sizeof(std::uint16_t)) : std::nullopt;
  if (!table) return {};
  std::vector<std::uint32_t> sizes;
  for (std::size_t i = 0; i < kSizeClasses; ++i) {  // Go 1.15 has one less
    const auto size = load_or_zero<std::uint16_t>(*table, i * sizeof(std::uint16_t));
    if (!sizes.empty() && size <= sizes.back()) return {};
    sizes.push_back(size);
    if (size == kLargestSmallObject) return sizes;
  }
  return {};
}

void add_identity(const process::Target& target, TargetInfo& info) {
  info.pid = target.pid();
  if (const auto* known = target.post_mortem()) {
    info.ns_pid = known->ns_pid;
    info.host = known->host;
    info.cgroup = known->cgroup;
  } else {
    info.ns_pid = namespace_pid(file_text(fmt::format("/proc/{}/status", target.pid())), target.pid());
    info.host = host_name();
    info.cgroup = cgroup_path_of(file_text(fmt::format("/proc/{}/cgroup", target.pid())));
  }
  info.container_id = container_id_of(info.cgroup);
  info.exe = target.exe();
  info.exe_deleted = target.exe_deleted();
  info.started_wall_ns = target.started_wall_ns();
  info.started_ns = target.started_ns();
}

void add_build(const BuildInfo& build, TargetInfo& info) {
  info.module = build.main_module;
  info.version = build.main_version;
  info.vcs_revision = build.vcs_revision;
  info.build_id = build.build_id;
  info.go_version = build.go_version;
  info.experiments = build.experiments;
  info.arch = build.arch;
  info.stripped = build.stripped;
  info.pie = build.pie;
  info.cgo = build.cgo;
}

}  // namespace

std::string container_id_of(std::string_view cgroup_path) {
  const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  std::string found;
  for (std::size_t begin = 0; begin < cgroup_path.size();) {
    std::size_t end = begin;
    while (end < cgroup_path.size() && is_hex(cgroup_path[end])) ++end;
    if (end - begin == kContainerIdLength) found = cgroup_path.substr(begin, kContainerIdLength);
    begin = end + 1;
  }
  return found;
}

std::string cgroup_path_of(std::string_view proc_cgroup) {
  std::string memory_path;
  std::istringstream lines{std::string(proc_cgroup)};
  for (std::string line; std::getline(lines, line);) {
    const auto first = line.find(':');
    const auto second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string path = line.substr(second + 1);
    if (fmt::format(",{},", controllers).find(",memory,") != std::string::npos) return path;
    if (controllers.empty()) memory_path = path;
  }
  return memory_path;
}

TargetInfo make_target_info(const Program& program) {
  TargetInfo info;
  add_identity(program.target(), info);
  add_build(program.build_info(), info);
  const Layout& layout = program.layout();
  info.memory_profile_rate = field_value<std::int64_t>(program, "MemProfileRate", Field{0, 8});
  info.gogc_percent = field_value<std::int32_t>(program, "gcController", layout.gcControllerState.gcPercent);
  info.gomemlimit_bytes = field_value<std::int64_t>(program, "gcController", layout.gcControllerState.memoryLimit);
  const auto processors = field_value<std::uint64_t>(program, "allp", Field{8, 8}).value_or(0);  // a slice's length
  info.processors = processors <= kMostProcessors ? static_cast<std::uint32_t>(processors) : 0;
  info.layout_row = fmt::format("go{}", layout.go_version);
  info.layout_exact = program.layout_exact();
  info.wait_reasons = program.wait_reasons();
  info.size_classes = size_classes(program);
  return info;
}

}  // namespace gotrace::goruntime
