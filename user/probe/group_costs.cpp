#include "probe/group_costs.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace gotrace::probe {

void GroupCosts::add(gotrace_probe probe, Group group, std::span<const gotrace_counters> by_cpu, double trap_ns) {
  auto& last = last_[probe];
  auto& sum = sums_[static_cast<std::size_t>(group)];
  last.resize(std::max(last.size(), by_cpu.size()));
  sum.cost_ns.resize(std::max(sum.cost_ns.size(), by_cpu.size()));
  for (std::size_t cpu = 0; cpu < by_cpu.size(); ++cpu) {
    const std::uint64_t traps = by_cpu[cpu].traps - last[cpu].traps;
    const std::uint64_t run_ns = by_cpu[cpu].run_ns - last[cpu].run_ns;
    sum.hits += traps;
    sum.cost_ns[cpu] += static_cast<double>(traps) * trap_ns + static_cast<double>(run_ns);
    last[cpu] = by_cpu[cpu];
  }
}

GroupCost GroupCosts::take(Group group) {
  auto sum = std::exchange(sums_[static_cast<std::size_t>(group)], {});
  GroupCost cost;
  cost.hits = sum.hits;
  cost.cost_ns = static_cast<std::uint64_t>(std::accumulate(sum.cost_ns.begin(), sum.cost_ns.end(), 0.0));
  for (const double one : sum.cost_ns) cost.busiest_ns = std::max(cost.busiest_ns, static_cast<std::uint64_t>(one));
  return cost;
}

}  // namespace gotrace::probe
