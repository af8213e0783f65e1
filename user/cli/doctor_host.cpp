#include "cli/doctor_host.h"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <charconv>
#include <fstream>
#include <sstream>

#include "probe/kernel_side.h"

namespace gotrace::cli {

namespace {

// Bit numbers of include/uapi/linux/capability.h. CAP_PERFMON and CAP_BPF: Linux 5.8; CAP_SYS_ADMIN implies both.
constexpr int kCapSysPtrace = 19;
constexpr int kCapSysAdmin = 21;
constexpr int kCapPerfmon = 38;
constexpr int kCapBpf = 39;

std::string small_file(const char* path) {
  std::ifstream file(path);
  std::string text(4096, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

Check check_kernel() {
  utsname name{};
  if (::uname(&name) != 0) return {Health::limited, "kernel: version not known", "", ""};
  int major = 0, minor = 0;
  const std::string_view release(name.release);
  const auto first = std::from_chars(release.data(), release.data() + release.size(), major);
  if (first.ptr < release.data() + release.size())
    std::from_chars(first.ptr + 1, release.data() + release.size(), minor);
  const auto what = fmt::format("kernel {} ({})", name.release, name.machine);
  if (std::string_view(name.machine) != "x86_64")
    return {Health::broken, what, "only x86_64 is supported", "run it on an x86_64 host"};
  if (major < 5 || (major == 5 && minor < 10))
    return {Health::limited, what, "no probes: they need Linux 5.10", "goroutines and the heap profile are still read"};
  return {Health::good, what, "", ""};
}

Check check_lockdown() {
  const auto text = small_file("/sys/kernel/security/lockdown");
  // "none [integrity] confidentiality": the brackets mark what is in force. Confidentiality forbids BPF to read memory
  // (kernel security/security.c, LOCKDOWN_BPF_READ_KERNEL).
  const auto begin = text.find('['), end = text.find(']');
  if (begin == std::string::npos || end == std::string::npos || end < begin)
    return {Health::good, "kernel lockdown: not in use", "", ""};
  const auto mode = text.substr(begin + 1, end - begin - 1);
  if (mode == "confidentiality")
    return {Health::limited, "kernel lockdown: " + mode, "probes may be refused",
            "boot without lockdown=confidentiality for probes"};
  return {Health::good, "kernel lockdown: " + mode, "", ""};
}

Check check_perf_events() {
  const auto paranoid = small_file("/proc/sys/kernel/perf_event_paranoid");
  const bool uprobes = !small_file("/sys/bus/event_source/devices/uprobe/type").empty();
  if (!uprobes)
    return {Health::limited, "uprobes: this kernel offers none", "no probes",
            "needs a kernel with CONFIG_UPROBE_EVENTS"};
  return {Health::good, "uprobes: there; perf_event_paranoid " + (paranoid.empty() ? "?" : paranoid), "", ""};
}

// Loading says more than any list of capabilities: seccomp, LSMs and rlimits have their say as well.
Check check_loading(probe::AttachKind kind, const char* name) {
  gotrace_settings settings{};
  constexpr std::uint64_t kSmallBuffer = 64U << 10;
  const auto loaded = probe::KernelSide::load(settings, kind, kSmallBuffer);
  if (loaded) return {Health::good, fmt::format("BPF programs and ring buffer ({}): load", name), "", ""};
  return {Health::limited, fmt::format("BPF programs and ring buffer ({}): {}", name, loaded.error().text), "", ""};
}

std::vector<Check> check_bpf() {
  auto perf = check_loading(probe::AttachKind::perf, "one perf event a site");
  if (perf.health != Health::good) {
    perf.effect = "no probes: births and ends are counted from looks, allocations from the heap profile";
    perf.advice = "run with sudo, or add CAP_BPF and CAP_PERFMON (a container: --cap-add BPF --cap-add PERFMON)";
    return {perf};
  }
  auto multi = check_loading(probe::AttachKind::multi, "uprobe_multi, Linux 6.6");
  if (multi.health != Health::good) {
    multi = {Health::good, "uprobe_multi: not in this kernel; perf events are used instead", "", ""};
  }
  return {perf, multi};
}

}  // namespace

std::uint64_t effective_capabilities(std::string_view proc_status) {
  constexpr std::string_view kKey = "CapEff:";
  const auto key = proc_status.find(kKey);
  if (key == std::string_view::npos) return 0;
  auto text = proc_status.substr(key + kKey.size());
  while (!text.empty() && (text.front() == '\t' || text.front() == ' ')) text.remove_prefix(1);
  std::uint64_t bits = 0;
  std::from_chars(text.data(), text.data() + text.size(), bits, 16);
  return bits;
}

std::vector<Check> check_capabilities(std::uint64_t effective, std::string_view ptrace_scope) {
  const auto has = [effective](int bit) { return ((effective >> bit) & 1) != 0; };
  std::vector<Check> checks;
  if (has(kCapSysPtrace)) {
    checks.push_back({Health::good, "CAP_SYS_PTRACE: there", "", ""});
  } else {
    // Yama's scope 0 lets a user read his own processes (Documentation/admin-guide/LSM/Yama.rst).
    const bool own = ptrace_scope.empty() || ptrace_scope == "0";
    checks.push_back({own ? Health::limited : Health::broken, "CAP_SYS_PTRACE: missing",
                      own ? "only your own processes can be read" : "the memory of no process can be read",
                      "run with sudo, or add SYS_PTRACE to this container"});
  }
  const bool admin = has(kCapSysAdmin);
  for (const auto& [bit, name] : {std::pair(kCapBpf, "CAP_BPF"), std::pair(kCapPerfmon, "CAP_PERFMON")}) {
    if (has(bit) || admin) {
      checks.push_back({Health::good, fmt::format("{}: there{}", name, has(bit) ? "" : " (by CAP_SYS_ADMIN)"), "", ""});
    } else {
      checks.push_back({Health::limited, fmt::format("{}: missing", name), "no probes",
                        "run with sudo, or add BPF and PERFMON to this container"});
    }
  }
  return checks;
}

std::vector<Check> check_host() {
  std::vector<Check> checks{check_kernel()};
  const auto scope = small_file("/proc/sys/kernel/yama/ptrace_scope");
  for (auto& check : check_capabilities(effective_capabilities(small_file("/proc/self/status")), scope))
    checks.push_back(std::move(check));
  checks.push_back({Health::good, "Yama ptrace_scope: " + (scope.empty() ? "not in use" : scope), "", ""});
  checks.push_back(check_lockdown());
  checks.push_back(check_perf_events());
  for (auto& check : check_bpf()) checks.push_back(std::move(check));
  return checks;
}

}  // namespace gotrace::cli
