// Which probes there are, and where in this target each one goes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "goruntime/program.h"
#include "gotrace/probe_events.h"
#include "probe/governor.h"
#include "probe/probe_session.h"
#include "probe/sites.h"

namespace gotrace::probe {

struct ProbePlan {
  gotrace_probe probe = GOTRACE_BIRTHS;
  Group group = Group::lifecycle;
  std::string name;                         // ProbeState::name
  std::string symbol;                       // ProbeState::symbol
  std::vector<std::uint64_t> file_offsets;  // empty: see reason
  SiteKind kind = SiteKind::push_frame;     // the dearest of its sites
  bool returned = false;                    // behind calls of `symbol`, not in it
  std::string reason;                       // why it can't be attached
};

// One plan for each probe that `options` asks for, in order of priority. With every_allocation, the sampled allocations
// are planned as well: they go on while the exact ones are withheld.
[[nodiscard]] std::vector<ProbePlan> plan_probes(const goruntime::Program& program, const ProbeOptions& options);

// What the BPF programs must know of this target. Fails when its process or its namespace can't be looked at.
[[nodiscard]] Result<gotrace_settings> settings_for(const goruntime::Program& program,
                                                    const std::vector<ProbePlan>& plans);

}  // namespace gotrace::probe
