#include "probe/cpu_base.h"

namespace gotrace::probe {
namespace {

constexpr std::uint64_t kLeastApart = 400'000'000;

}  // namespace

void CpuBase::observe(std::uint64_t now_ns, std::optional<std::uint64_t> cpu_time_ns) {
  if (!cpu_time_ns) return;
  if (last_time_ns_ && last_cpu_ns_) {
    if (now_ns < *last_time_ns_ + kLeastApart) return;
    const std::uint64_t used_ns = *cpu_time_ns > *last_cpu_ns_ ? *cpu_time_ns - *last_cpu_ns_ : 0;
    used_ = static_cast<double>(used_ns) / static_cast<double>(now_ns - *last_time_ns_);
  }
  last_time_ns_ = now_ns;
  last_cpu_ns_ = cpu_time_ns;
}

}  // namespace gotrace::probe
