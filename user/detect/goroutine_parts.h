// Shared by the files that judge goroutines; not for others.
#pragma once

#include <vector>

#include "detect/goroutines.h"

namespace gotrace::detect {

[[nodiscard]] inline double seconds_between(std::uint64_t begin_ns, std::uint64_t end_ns) {
  return end_ns > begin_ns ? static_cast<double>(end_ns - begin_ns) / 1e9 : 0;
}
// One judgement for each of the table's sites, in the table's order.
[[nodiscard]] std::vector<SiteJudgement> judge_sites(const model::Model& model);
// Groups of all goroutines alive, largest first; `site` indexes `sites`.
[[nodiscard]] std::vector<GroupJudgement> judge_groups(const model::Model& model,
                                                       const std::vector<SiteJudgement>& sites);

}  // namespace gotrace::detect
