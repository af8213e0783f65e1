// KernelSide: the loaded BPF programs and maps (bpf/probes.bpf.c), owned. Programs are loaded here, not attached.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/byte_reader.h"
#include "base/result.h"
#include "gotrace/probe_events.h"

namespace gotrace::probe {

// How programs will be attached: the kernel wants to know when they are loaded.
enum class AttachKind : std::uint8_t {
  multi,  // uprobe_multi link, Linux 6.6
  perf,   // one perf event a site
};

class KernelSide {
 public:
  // `buffer_bytes` is rounded up to a power of two (64 KiB..1 GiB). Error kind not_permitted when capabilities miss.
  [[nodiscard]] static Result<std::unique_ptr<KernelSide>> load(const gotrace_settings& settings, AttachKind kind,
                                                                std::uint64_t buffer_bytes);
  virtual ~KernelSide() = default;

  [[nodiscard]] virtual AttachKind kind() const = 0;
  [[nodiscard]] virtual int program_fd(gotrace_probe probe) const = 0;  // stays ours
  // By possible CPU; empty: the kernel refused.
  [[nodiscard]] virtual std::vector<gotrace_counters> counters_by_cpu(gotrace_probe probe) const = 0;
  // Sum over all CPUs; nullopt: the kernel refused.
  [[nodiscard]] std::optional<gotrace_counters> counters(gotrace_probe probe) const;
  struct Consumed {
    std::uint64_t records = 0;
    std::uint64_t bytes = 0;  // of the ring buffer that they took
  };
  // Hands each record in the ring buffer to `take`, at most `limit`. The bytes are gone afterwards.
  virtual Consumed consume(const std::function<void(Bytes)>& take, std::uint64_t limit) = 0;
  [[nodiscard]] virtual std::uint64_t buffer_bytes() const = 0;
  // The stack of this hash will be sent again with its next hit.
  virtual void forget_stack(std::uint64_t hash) = 0;
};

}  // namespace gotrace::probe
