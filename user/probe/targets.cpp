#include "probe/targets.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>

namespace gotrace::probe {
namespace {

using goruntime::FunctionRange;
using goruntime::Program;

constexpr std::uint64_t kInitialPidNamespace = 0xEFFFFFFC;  // include/linux/proc_ns.h, PROC_PID_INIT_INO

struct Wanted {
  gotrace_probe probe;
  Group group;
  const char* name;
  const char* symbol;
};

std::vector<Wanted> wanted_probes(const ProbeOptions& options) {
  std::vector<Wanted> result;
  if (options.births) result.push_back({GOTRACE_BIRTHS, Group::lifecycle, "births", "runtime.newproc"});
  if (options.ends) result.push_back({GOTRACE_ENDS, Group::lifecycle, "ends", "runtime.goexit1"});
  if (options.allocations || options.every_allocation) {
    result.push_back({GOTRACE_REFILL, Group::allocations, "allocs", "runtime.(*mcache).refill"});
    result.push_back({GOTRACE_LARGE, Group::large, "large", "runtime.(*mcache).allocLarge"});
  }
  if (options.parks) result.push_back({GOTRACE_PARKS, Group::parks, "parks", "runtime.gopark"});
  if (options.every_allocation) {
    result.push_back({GOTRACE_MALLOC, Group::mallocs, "mallocs", "runtime.mallocgc"});
  }
  return result;
}

// mallocgc alone, and the functions that since Go 1.26 compiled code calls in its stead (runtime/malloc_generated.go).
// The other mallocgcX are called from these.
std::vector<FunctionRange> functions_of(const Program& program, const Wanted& wanted) {
  std::vector<FunctionRange> result;
  const auto& functions = program.functions();
  if (auto function = functions.find(wanted.symbol)) result.push_back(*function);
  if (wanted.probe != GOTRACE_MALLOC || result.empty()) return result;
  for (const char* prefix :
       {"runtime.mallocgcTinySC", "runtime.mallocgcSmallNoScanSC", "runtime.mallocgcSmallScanNoHeaderSC"}) {
    for (const auto& function : functions.find_prefix(prefix)) result.push_back(function);
  }
  return result;
}

Result<Site> site_in(const Program& program, const FunctionRange& function) {
  const auto code = program.code(function);
  if (!code) return failure("its code is not in the executable file");
  return choose_site(*code, program.build_info().minor);
}

// A probe has one way to treat its hits, so sites of different kinds can't be mixed.
ProbePlan plan_one(const Program& program, const Wanted& wanted) {
  ProbePlan plan{wanted.probe, wanted.group, wanted.name, wanted.symbol, {}, SiteKind::push_frame, false, ""};
  const auto functions = functions_of(program, wanted);
  if (functions.empty()) plan.reason = fmt::format("{} is not in this program", wanted.symbol);
  for (const auto& function : functions) {
    const auto site = site_in(program, function);
    if (!site) {
      plan.reason = fmt::format("{}: {}", function.name, site.error().text);
      break;
    }
    if (!plan.file_offsets.empty() && site->kind != plan.kind) {
      plan.reason = fmt::format("{} begins unlike its kin", function.name);
      break;
    }
    const auto offset = program.file_offset(function.entry + site->offset);
    if (!offset) {
      plan.reason = fmt::format("{}: its code is not in the executable file", function.name);
      break;
    }
    plan.kind = site->kind;
    plan.file_offsets.push_back(*offset);
  }
  if (!plan.reason.empty()) plan.file_offsets.clear();
  return plan;
}

// Where allocLarge's caller (mallocgcLarge since Go 1.24) holds what it returned: the span of one object, whose fate
// can be followed. Nothing when that place is not found; the entry of allocLarge then tells size and stack at least.
std::optional<ProbePlan> plan_large_returned(const Program& program, const Wanted& wanted) {
  const auto& layout = program.layout();
  const auto callee = program.functions().find(wanted.symbol);
  if (!callee || layout.mspan.size == 0 || layout.mspan.size > GOTRACE_SPAN_BYTES) return std::nullopt;
  ProbePlan plan{wanted.probe, wanted.group, wanted.name, wanted.symbol, {}, SiteKind::stepped, true, ""};
  for (const char* name : {"runtime.mallocgcLarge", "runtime.mallocgc"}) {
    const auto caller = program.functions().find(name);
    const auto code = caller ? program.code(*caller) : std::nullopt;
    if (!code) continue;
    for (const std::uint64_t behind : behind_calls(*code, caller->entry, callee->entry)) {
      const auto offset = program.file_offset(caller->entry + behind);
      if (!offset) return std::nullopt;
      plan.file_offsets.push_back(*offset);
    }
  }
  return plan.file_offsets.empty() ? std::nullopt : std::optional(plan);
}

std::optional<std::uint64_t> inode_of(const std::string& path, std::uint64_t& kernel_device) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return std::nullopt;
  // As the kernel has it, which is not how stat encodes it (include/linux/kdev_t.h).
  kernel_device = (static_cast<std::uint64_t>(major(status.st_dev)) << 20) | minor(status.st_dev);
  return status.st_ino;
}

// The last number of the line "NSpid:": the pid in the innermost namespace.
std::optional<std::uint32_t> innermost_pid(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/status", pid));
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("NSpid:")) continue;
    std::istringstream words(line.substr(6));
    std::optional<std::uint32_t> last;
    for (std::uint32_t value = 0; words >> value;) last = value;
    return last;
  }
  return std::nullopt;
}

// The kernel's own tgid is ours to know only in the initial namespace; elsewhere the target is named by its namespace
// and the pid it has in there (helper bpf_get_ns_current_pid_tgid, Linux 5.7).
Status identify(pid_t pid, gotrace_settings& settings) {
  std::uint64_t device = 0;
  const auto own = inode_of("/proc/self/ns/pid", device);
  if (own == kInitialPidNamespace) {
    settings.tgid = static_cast<std::uint32_t>(pid);
    return success();
  }
  const auto inode = inode_of(fmt::format("/proc/{}/ns/pid", pid), device);
  const auto inner = innermost_pid(pid);
  if (!inode || !inner) {
    return failure(fmt::format("pid {}: its pid namespace can't be read: {}", pid, std::strerror(errno)));
  }
  settings.namespace_device = device;
  settings.namespace_inode = *inode;
  settings.tgid = *inner;
  return success();
}

}  // namespace

std::vector<ProbePlan> plan_probes(const Program& program, const ProbeOptions& options) {
  std::vector<ProbePlan> result;
  const int minor = program.build_info().minor;
  for (const auto& wanted : wanted_probes(options)) {
    ProbePlan unprobed{wanted.probe, wanted.group, wanted.name, wanted.symbol, {}, SiteKind::push_frame, false, ""};
    if (minor < kFirstProbedMinor) {
      unprobed.reason = fmt::format(
          "Go 1.{} keeps g in thread-local storage and arguments on the stack, which probes do not read", minor);
    } else if (!program.layout().g.goid.present()) {
      unprobed.reason = "where a goroutine's id lies is not known for this version of Go";
    }
    if (!unprobed.reason.empty()) {
      result.push_back(unprobed);
      continue;
    }
    auto returned =
        wanted.probe == GOTRACE_LARGE && options.follow_large ? plan_large_returned(program, wanted) : std::nullopt;
    result.push_back(returned ? std::move(*returned) : plan_one(program, wanted));
  }
  return result;
}

Result<gotrace_settings> settings_for(const Program& program, const std::vector<ProbePlan>& plans) {
  gotrace_settings settings{};
  if (auto identified = identify(program.target().pid(), settings); !identified) return identified.error();
  const auto& layout = program.layout();
  settings.goid_offset = layout.g.goid.offset;
  const auto& span = layout.mspan;
  if (layout.mcache.alloc.present() && span.allocBits.present() && span.size <= GOTRACE_SPAN_BYTES) {
    settings.mcache_alloc = layout.mcache.alloc.offset;
    settings.span_classes = layout.mcache.alloc.size / sizeof(std::uint64_t);
    settings.span_size = span.size;
    settings.span_alloc_bits = span.allocBits.offset;
  }
  for (const auto& plan : plans) {
    if (plan.returned) settings.large_returned = 1;
    if (plan.kind == SiteKind::stack_check_branch) settings.drop_taken |= 1U << plan.probe;
  }
  if (const auto function = program.functions().find("runtime.mallocgc")) {
    settings.malloc_begin = function->entry + program.load_bias();
    settings.malloc_end = function->end + program.load_bias();
  }
  return settings;
}

}  // namespace gotrace::probe
