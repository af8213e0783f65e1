// What findings about goroutines say, however they were found: where they stand, and what to change.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "detect/analysis.h"
#include "detect/goroutines.h"

namespace gotrace::detect {

inline constexpr std::string_view kGoroutineLeak = "goroutine-leak";

[[nodiscard]] std::string advice_for(std::string_view wait_reason, const GroupJudgement& group);

void add_object_evidence(const GroupJudgement& judged, std::vector<Evidence>& evidence);

// Where a finding's goroutines stand, told by its biggest group. `site` may be nullptr.
void place_finding(const GroupJudgement& judged, const SiteJudgement* site, Finding& finding);

// Its ids, which are the same whether it is suspected or proved.
void name_goroutine_finding(const model::Model& model, Finding& finding);

}  // namespace gotrace::detect
