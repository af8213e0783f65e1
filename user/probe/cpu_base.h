// CpuBase: how many CPUs a budget of overhead is a share of: what the target uses, or one, or its quota where that is
// less than one. A share of an idle process would forbid every look at it; one CPU is what it may take at any moment.
#pragma once

#include <cstdint>
#include <optional>

namespace gotrace::probe {

class CpuBase {
 public:
  // `quota`: CPUs that cgroups allow; nullopt: no limit.
  explicit CpuBase(std::optional<double> quota) : floor_(quota && *quota < 1 ? *quota : 1) {}

  // CPU time that the target has used so far. Judged over at least 400 ms; nullopt changes nothing.
  void observe(std::uint64_t now_ns, std::optional<std::uint64_t> cpu_time_ns);

  [[nodiscard]] double used() const { return used_; }  // CPUs, over the last such time
  [[nodiscard]] double cpus() const { return used_ > floor_ ? used_ : floor_; }

 private:
  double floor_;
  double used_ = 0;
  std::optional<std::uint64_t> last_time_ns_, last_cpu_ns_;
};

}  // namespace gotrace::probe
