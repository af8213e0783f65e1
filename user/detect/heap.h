// The heap, judged: how size classes grow after GC (exact), and which call sites that growth belongs to (sampled).
#pragma once

#include <array>
#include <string>
#include <vector>

#include "detect/analysis.h"
#include "detect/statistics.h"
#include "model/model.h"

namespace gotrace::detect {

enum class GrowthBasis : std::uint8_t {
  none,       // could not be judged
  allocated,  // not one GC, or one, but nothing can grow by more than was allocated, and that was little
  gc_steps,   // five GCs or more: the live heap after each
  survival,   // fewer: allocation rate x what survives
  profile,    // no counters: the runtime's heap profile alone
};

struct ClassGrowth {  // one size class; bytes
  Growth growth;
  GrowthBasis basis = GrowthBasis::none;
  double allocated_per_second = 0;
  double live_bytes = 0;         // after the last GC
  double live_at_attach = 0;     // after the first GC in the window; 0: unknown
  double seconds_at_attach = 0;  // age of the process then
};

struct SiteGrowth {
  std::size_t site = 0;  // index into the model's allocation sites
  CallSite call_site;
  GrowthBasis basis = GrowthBasis::none;
  double share = 0;  // of its main size class's growth
  std::uint64_t samples = 0;
  bool history_agrees = false;
  std::string history;
  std::uint64_t judged = 0, survived = 0;  // tracked samples that a GC had the chance to free
};

struct HeapJudgement {
  std::array<ClassGrowth, kSizeClasses> classes;
  Growth heap;  // of the whole live heap, bytes
  GrowthBasis basis = GrowthBasis::none;
  std::uint32_t gcs = 0;            // completed during the window, with a known result
  std::vector<SiteGrowth> sites;    // growing first, then by live bytes
  bool sites_known = false;         // some source told who allocates
  double allocated_per_second = 0;  // at most, by all; when basis is allocated
  double least_seen = 0;            // bytes per second: what grows slower over so few GCs is not told; 0: no such limit
  double unsettled_bytes = 0;       // grown over too few GCs to tell a leak from a heap that fills; 0: little
  std::string why_not;              // when basis is none
};

[[nodiscard]] HeapJudgement judge_heap(const model::Model& model);

}  // namespace gotrace::detect
