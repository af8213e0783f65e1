#include "probe/attach.h"

#include <fmt/format.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>

namespace gotrace::probe {
namespace {

constexpr std::uint32_t kTraceUprobeMulti = 48;  // BPF_TRACE_UPROBE_MULTI, as in kernel_side.cpp

// union bpf_attr, link_create with its uprobe_multi part: include/uapi/linux/bpf.h of Linux 6.6. Newer than the headers
// that this is built with.
struct LinkCreateUprobeMulti {
  std::uint32_t prog_fd = 0;
  std::uint32_t target_fd = 0;
  std::uint32_t attach_type = kTraceUprobeMulti;
  std::uint32_t flags = 0;
  std::uint64_t path = 0;
  std::uint64_t offsets = 0;
  std::uint64_t ref_ctr_offsets = 0;
  std::uint64_t cookies = 0;
  std::uint32_t count = 0;
  std::uint32_t multi_flags = 0;
  std::uint32_t pid = 0;
  std::uint32_t padding = 0;
};
static_assert(sizeof(LinkCreateUprobeMulti) == 64);

Error attach_error(int error) {
  if (error == EPERM || error == EACCES) {
    return {ErrorKind::not_permitted, "not permitted to attach: CAP_BPF and CAP_PERFMON are missing; run with sudo"};
  }
  return failure(fmt::format("the kernel refused the uprobe: {}", std::strerror(error)));
}

Result<Attachment> attach_multi(int program_fd, const AttachPlace& place) {
  LinkCreateUprobeMulti attributes;
  attributes.prog_fd = static_cast<std::uint32_t>(program_fd);
  attributes.path = reinterpret_cast<std::uintptr_t>(place.path.c_str());
  attributes.offsets = reinterpret_cast<std::uintptr_t>(place.file_offsets.data());
  attributes.count = static_cast<std::uint32_t>(place.file_offsets.size());
  attributes.pid = static_cast<std::uint32_t>(place.pid);
  UniqueFd link(static_cast<int>(syscall(SYS_bpf, BPF_LINK_CREATE, &attributes, sizeof(attributes))));
  if (!link) return attach_error(errno);
  std::vector<UniqueFd> fds;
  fds.push_back(std::move(link));
  return Attachment(std::move(fds));
}

std::optional<std::uint32_t> uprobe_event_type() {
  std::ifstream file("/sys/bus/event_source/devices/uprobe/type");
  std::uint32_t type = 0;
  if (!(file >> type)) return std::nullopt;
  return type;
}

// With a pid, the breakpoint goes into that process alone, and BPF runs for all its threads: the kernel filters by mm
// (kernel/trace/trace_uprobe.c, uprobe_perf_filter).
Result<UniqueFd> open_perf_uprobe(std::uint32_t type, const AttachPlace& place, std::uint64_t offset) {
  perf_event_attr attributes{};
  attributes.size = sizeof(attributes);
  attributes.type = type;
  attributes.config1 = reinterpret_cast<std::uintptr_t>(place.path.c_str());
  attributes.config2 = offset;
  UniqueFd event(static_cast<int>(syscall(SYS_perf_event_open, &attributes, place.pid, -1, -1, PERF_FLAG_FD_CLOEXEC)));
  if (!event) return attach_error(errno);
  return event;
}

Result<Attachment> attach_perf(int program_fd, const AttachPlace& place) {
  const auto type = uprobe_event_type();
  if (!type) return failure("the kernel has no uprobes (CONFIG_UPROBE_EVENTS), or /sys is not mounted");
  std::vector<UniqueFd> fds;
  for (const std::uint64_t offset : place.file_offsets) {
    auto event = open_perf_uprobe(*type, place, offset);
    if (!event) return event.error();
    const int fd = event->get();
    if (ioctl(fd, PERF_EVENT_IOC_SET_BPF, program_fd) != 0) return attach_error(errno);
    if (ioctl(fd, PERF_EVENT_IOC_ENABLE, 0) != 0) return attach_error(errno);
    fds.push_back(std::move(event).value());
  }
  return Attachment(std::move(fds));
}

}  // namespace

Result<Attachment> attach_program(AttachKind kind, int program_fd, const AttachPlace& place) {
  if (place.file_offsets.empty()) return failure("there is no place to put the uprobe");
  return kind == AttachKind::multi ? attach_multi(program_fd, place) : attach_perf(program_fd, place);
}

}  // namespace gotrace::probe
