// GroupCosts: what each group of probes cost since it was last asked, from the counters that the BPF programs keep by
// CPU. Pure: counters go in, costs come out.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "gotrace/probe_events.h"
#include "probe/governor.h"

namespace gotrace::probe {

class GroupCosts {
 public:
  // Counters of one probe of `group`, by CPU, as they stand now; `trap_ns` is what one trap at its site costs. They
  // only grow, but may wrap round: the difference is right all the same. None (the kernel refused): nothing is added.
  void add(gotrace_probe probe, Group group, std::span<const gotrace_counters> by_cpu, double trap_ns);
  // What was added for this group since it was last taken.
  [[nodiscard]] GroupCost take(Group group);

 private:
  struct Sum {
    std::uint64_t hits = 0;
    std::vector<double> cost_ns;  // by CPU
  };
  std::array<std::vector<gotrace_counters>, GOTRACE_PROBE_COUNT> last_;
  std::array<Sum, kGroups> sums_;
};

}  // namespace gotrace::probe
