#include "probe/kernel_side.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <probes.skel.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <vector>

namespace gotrace::probe {
namespace {

// include/uapi/linux/bpf.h since 6.6 (kernel commit 89ae89f53d20); libbpf 1.1 does not name it.
constexpr int kTraceUprobeMulti = 48;
constexpr std::uint64_t kRecordHeader = BPF_RINGBUF_HDR_SZ;
constexpr std::uint64_t kLeastBuffer = 64 << 10;
constexpr std::uint64_t kMostBuffer = 1 << 30;

struct CloseSkeleton {
  void operator()(gotrace_probes* skeleton) const { gotrace_probes::destroy(skeleton); }
};
struct FreeRing {
  void operator()(ring_buffer* ring) const { ring_buffer__free(ring); }
};
using Skeleton = std::unique_ptr<gotrace_probes, CloseSkeleton>;

bpf_program* program_of(const gotrace_probes& skeleton, gotrace_probe probe) {
  switch (probe) {
    case GOTRACE_BIRTHS:
      return skeleton.progs.births;
    case GOTRACE_ENDS:
      return skeleton.progs.ends;
    case GOTRACE_REFILL:
      return skeleton.progs.refills;
    case GOTRACE_LARGE:
      return skeleton.progs.large;
    case GOTRACE_PARKS:
      return skeleton.progs.parks;
    case GOTRACE_MALLOC:
      return skeleton.progs.mallocs;
    default:
      return skeleton.progs.calibrate;
  }
}

Error load_error(int error) {
  if (error == EPERM || error == EACCES) {
    return {ErrorKind::not_permitted, "CAP_BPF, CAP_PERFMON (before Linux 5.8: CAP_SYS_ADMIN) missing; run with sudo"};
  }
  return failure(
      fmt::format("the kernel refused to load the BPF programs: {}; they need Linux 5.8 with "
                  "CONFIG_BPF_SYSCALL and CONFIG_UPROBE_EVENTS",
                  std::strerror(error)));
}

class Loaded final : public KernelSide {
 public:
  Loaded(Skeleton skeleton, AttachKind kind) : skeleton_(std::move(skeleton)), kind_(kind) {}

  Status open_ring() {
    ring_.reset(ring_buffer__new(bpf_map__fd(skeleton_->maps.events), &Loaded::on_record, this, nullptr));
    if (!ring_) return load_error(errno);
    return success();
  }

  AttachKind kind() const override { return kind_; }
  int program_fd(gotrace_probe probe) const override { return bpf_program__fd(program_of(*skeleton_, probe)); }

  std::vector<gotrace_counters> counters_by_cpu(gotrace_probe probe) const override {
    const int cpus = libbpf_num_possible_cpus();
    if (cpus <= 0) return {};
    std::vector<gotrace_counters> each(static_cast<std::size_t>(cpus));
    const auto key = static_cast<std::uint32_t>(probe);
    if (bpf_map_lookup_elem(bpf_map__fd(skeleton_->maps.counters), &key, each.data()) != 0) return {};
    return each;
  }

  Consumed consume(const std::function<void(Bytes)>& take, std::uint64_t limit) override {
    take_ = &take;
    limit_ = limit;
    taken_ = {};
    if (limit > 0) ring_buffer__consume(ring_.get());  // negative: we stopped it at the limit
    take_ = nullptr;
    return taken_;
  }

  std::uint64_t buffer_bytes() const override { return bpf_map__max_entries(skeleton_->maps.events); }

  void forget_stack(std::uint64_t hash) override {
    bpf_map_delete_elem(bpf_map__fd(skeleton_->maps.seen), &hash);  // not there: as well
  }

 private:
  static int on_record(void* self, void* data, size_t size) {
    auto& loaded = *static_cast<Loaded*>(self);
    (*loaded.take_)(Bytes(static_cast<const std::byte*>(data), size));
    loaded.taken_.bytes += size + kRecordHeader;
    return ++loaded.taken_.records < loaded.limit_ ? 0 : -ECANCELED;
  }

  Skeleton skeleton_;
  std::unique_ptr<ring_buffer, FreeRing> ring_;  // unmaps before the skeleton closes the map
  AttachKind kind_;
  const std::function<void(Bytes)>* take_ = nullptr;
  std::uint64_t limit_ = 0;
  Consumed taken_;
};

}  // namespace

std::optional<gotrace_counters> KernelSide::counters(gotrace_probe probe) const {
  const auto each = counters_by_cpu(probe);
  if (each.empty()) return std::nullopt;
  gotrace_counters sum{};
  for (const auto& one : each) {
    sum.traps += one.traps;
    sum.foreign += one.foreign;
    sum.hits += one.hits;
    sum.lost += one.lost;
    sum.failed_reads += one.failed_reads;
    sum.truncated += one.truncated;
    sum.run_ns += one.run_ns;
  }
  return sum;
}

Result<std::unique_ptr<KernelSide>> KernelSide::load(const gotrace_settings& settings, AttachKind kind,
                                                     std::uint64_t buffer_bytes) {
  libbpf_set_print(nullptr);  // what it would print is in the error
  Skeleton skeleton(gotrace_probes::open());
  if (!skeleton) return load_error(errno);
  std::memcpy(const_cast<gotrace_settings*>(&skeleton->rodata->settings), &settings, sizeof(settings));
  const auto bounded = std::clamp(buffer_bytes, kLeastBuffer, kMostBuffer);
  bpf_map__set_max_entries(skeleton->maps.events, static_cast<std::uint32_t>(std::bit_ceil(bounded)));
  if (kind == AttachKind::multi) {
    for (int probe = 0; probe < GOTRACE_PROBE_COUNT; ++probe) {
      bpf_program__set_expected_attach_type(program_of(*skeleton, static_cast<gotrace_probe>(probe)),
                                            static_cast<bpf_attach_type>(kTraceUprobeMulti));
    }
  }
  if (const int error = gotrace_probes::load(skeleton.get()); error != 0) return load_error(-error);
  auto loaded = std::make_unique<Loaded>(std::move(skeleton), kind);
  if (auto opened = loaded->open_ring(); !opened) return opened.error();
  return std::unique_ptr<KernelSide>(std::move(loaded));
}

}  // namespace gotrace::probe
