// Goroutines, grouped and judged: growth for each creation site, stuck cohorts for each blocked stack.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "detect/analysis.h"
#include "detect/statistics.h"
#include "model/model.h"

namespace gotrace::detect {

// What the judges found out about one creation site; findings are written from it.
struct SiteJudgement {
  CreationSite site;
  Growth growth;
  Bursts bursts;
  double bursts_of_life = 0;          // as many as those alive would have come in; 0: their history does not agree
  std::vector<Frame> created_at;      // frames at the go statement, innermost first
  std::vector<Frame> creation_stack;  // of the most frequent birth; empty when births were not watched
  std::uint64_t settled_births = 0, settled_ends = 0;
  double watched_seconds = 0;
  bool old_ones_stay = false;
  bool history_agrees = false;
  bool young_process = false;
  bool in_bursts = false;  // grew in bursts of which none ended; that is what its trend rests on
  std::string history;     // in plain words
};

struct GroupJudgement {
  GoroutineGroup group;
  std::size_t site = 0;  // index into sites
  std::vector<std::uint64_t> members;
  std::uint64_t still = 0;   // of them, not run since the first look
  double still_seconds = 0;  // shortest time that all of those are known to be parked
  std::uint64_t distinct_objects = 0, with_object = 0;
  std::uint64_t timers = 0;  // members one of whose channels a timer feeds
  std::uint64_t with_io_partner = 0;
  std::uint64_t parents = 0;  // distinct parents; 0: not known
  std::uint64_t max_capacity = 0;
  std::uint64_t settled_new = 0;  // settled and born during the window
  bool stuck = false;             // a cohort that nothing clears
  std::string cleared_by;         // why it is not stuck, when it looked so
  std::vector<WaitObject> sample_objects;
};

struct GoroutineJudgement {
  std::vector<SiteJudgement> sites;    // largest first
  std::vector<GroupJudgement> groups;  // largest first
  Trend total_trend = Trend::unknown;
};

[[nodiscard]] GoroutineJudgement judge_goroutines(const model::Model& model);

// Members of cohorts that look stuck, and what they wait on: whom to ask for other holders before saying "suspected".
struct WaiterToCheck {
  std::uint64_t goid = 0;
  std::uint64_t address = 0;
};
struct CohortToCheck {
  std::vector<WaiterToCheck> waiters;       // a sample
  std::vector<std::uint64_t> cohort_goids;  // all members
};
[[nodiscard]] std::vector<CohortToCheck> cohorts_to_check(const model::Model& model);

}  // namespace gotrace::detect
