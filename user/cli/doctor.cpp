// gotrace-leak doctor: what works on this host, what does not, and what to do about it; with -p, on that process too.
#include <bpf/bpf.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>

#include <fmt/format.h>

#include "base/units.h"
#include "base/unique_fd.h"
#include "cli/commands.h"
#include "cli/live_options.h"
#include "cli/output.h"
#include "cli/target_choice.h"
#include "session/session.h"

namespace gotrace::cli {
namespace {

struct Check {
  std::string what;
  bool works = false;
  std::string found;
  std::string fix;
};

std::string print(const Check& check) {
  std::string line = fmt::format("{:<4} {:<22} {}\n", check.works ? "ok" : "NO", check.what, check.found);
  if (!check.works && !check.fix.empty()) line += fmt::format("     {:<22} -> {}\n", "", check.fix);
  return line;
}

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::uint64_t effective_capabilities() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("CapEff:")) return std::strtoull(line.c_str() + 7, nullptr, 16);
  return 0;
}

Check capability(const char* name, unsigned bit, const char* alternative_name, unsigned alternative) {
  const std::uint64_t have = effective_capabilities();
  const bool works = ((have >> bit) & 1U) != 0 || ((have >> alternative) & 1U) != 0;
  return {name, works, works ? "held" : "missing", fmt::format("run with sudo, or grant {} (or {})", name, alternative_name)};
}

Check kernel() {
  utsname names{};
  ::uname(&names);
  int major = 0;
  int minor = 0;
  const bool parsed = std::sscanf(names.release, "%d.%d", &major, &minor) == 2;
  return {"kernel", parsed && (major > 5 || (major == 5 && minor >= 8)), names.release,
          "5.8 or newer has the ring buffer; goroutines and heap figures are read all the same"};
}

Check ring_buffer() {
  const UniqueFd map(::bpf_map_create(BPF_MAP_TYPE_RINGBUF, "doctor", 0, 0, 4096, nullptr));
  return {"BPF ring buffer", map.valid(), map.valid() ? "can be made" : std::strerror(errno),
          "needs CAP_BPF (or root) and no lockdown=confidentiality"};
}

Check uprobes() {
  const std::string type = first_line("/sys/bus/event_source/devices/uprobe/type");
  return {"uprobes", !type.empty(), type.empty() ? "no uprobe event source" : "available",
          "the kernel needs CONFIG_UPROBE_EVENTS; goroutines and heap figures are read all the same"};
}

Check lockdown() {
  const std::string state = first_line("/sys/kernel/security/lockdown");
  const bool off = state.find("[confidentiality]") == std::string::npos;
  return {"kernel lockdown", off, state.empty() ? "none" : state, "lockdown=confidentiality forbids probes"};
}

Check ptrace_scope() {
  const std::string scope = first_line("/proc/sys/kernel/yama/ptrace_scope");
  return {"ptrace scope", scope != "3", scope.empty() ? "no yama" : scope,
          "3 forbids reading other processes until reboot: sysctl kernel.yama.ptrace_scope"};
}

std::string host_checks(bool& main_job_works) {
  const Check memory = capability("CAP_SYS_PTRACE", 19, "CAP_SYS_ADMIN", 21);
  const Check scope = ptrace_scope();
  main_job_works = memory.works && scope.works;
  std::string text = "HOST\n";
  for (const Check& check : {kernel(), memory, scope, capability("CAP_BPF", 39, "CAP_SYS_ADMIN", 21),
                             capability("CAP_PERFMON", 38, "CAP_SYS_ADMIN", 21), ring_buffer(), uprobes(), lockdown()})
    text += print(check);
  return text;
}

// A look of two seconds tells what works on the process better than any list of conditions.
Result<std::string> target_checks(const Options& options) {
  auto live = live_options(options);
  if (!live) return live.error();
  live->duration_ns = 2'000'000'000;
  session::LiveCallbacks callbacks;
  callbacks.warn = [](const std::string&) {};  // the states below say it
  callbacks.wait = [](std::uint64_t wait_ns) {
    ::usleep(static_cast<useconds_t>(wait_ns / 1000U));
    return session::Request::none;
  };
  const auto analysis = session::run_live(*live, callbacks);
  if (!analysis) return analysis.error();
  std::string text = fmt::format("\nTARGET pid {}\n", live->pid);
  if (analysis->target)
    text += print({"Go program", true,
                   fmt::format("{}{}{}{}", analysis->target->go_version, analysis->target->stripped ? ", stripped" : "",
                               analysis->target->pie ? ", pie" : "", analysis->target->cgo ? ", cgo" : ""), ""});
  if (analysis->target)
    text += print({"struct layouts", analysis->target->layout_exact, analysis->target->layout_row,
                   "not this version's own row; it validated against the process"});
  for (const SourceState& state : analysis->sources)
    text += print({state.name, state.status == SourceStatus::on,
                   state.reason.empty() ? detect::to_string(state.status) : state.reason, state.fix});
  for (const auto& probe : analysis->probes)
    text += print({"probe " + probe.state.name, probe.state.status == ProbeStatus::on,
                   probe.state.reason.empty() ? detect::to_string(probe.state.status) : probe.state.reason, ""});
  return text;
}

}  // namespace

void add_doctor(CLI::App& app, Options& options) { add_target_options(app, options); }

int run_doctor(const Options& options) {
  bool works = false;
  const std::string host = host_checks(works);
  if (!write_stdout(host)) return 141;
  if (options.pid.empty() && options.name.empty()) return works ? 0 : exit_code(ErrorKind::not_permitted);
  const auto target = target_checks(options);
  if (!target) {
    print_error(target.error());
    return exit_code(target.error().kind);
  }
  return write_stdout(*target) ? 0 : 141;
}

}  // namespace gotrace::cli
