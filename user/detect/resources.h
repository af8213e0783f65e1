// Growth of what a process can run out of besides heap and goroutines: shared by the detectors of these kinds.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "detect/analysis.h"
#include "detect/detector.h"
#include "detect/statistics.h"
#include "model/model.h"

namespace gotrace::detect {

// Each change of a count is at least one arrival or one end: the least variance that its steps can have.
[[nodiscard]] std::vector<Step> total_steps(const model::ResourceSeries& series);
// By what arrived and stayed, and what of that left; empty where that is not known.
[[nodiscard]] std::vector<Step> settled_steps(const model::ResourceSeries& series);
[[nodiscard]] std::vector<Step> count_steps(const model::ResourceSeries& series,
                                            const std::vector<std::uint64_t>& counts);
// judge_steps on at most 20 steps.
[[nodiscard]] Growth judge_growth(const std::vector<Step>& steps);

// Does what was there when we came agree with the rate since: count / age of the process? DETECTION section 2.
struct History {
  bool agrees = false;
  bool young_process = false;
  std::string text;  // in plain words; empty: the age is not known
};
[[nodiscard]] History judge_history(const model::Model& model, std::uint64_t first_ns, double count_then, double rate,
                                    std::string_view what);
// `leaking` with history, `suspected` without; evidence, confidence and what is not known follow.
void judge_verdict(const History& history, Finding& finding);

// Between few looks a rise may have ended unseen, as that of a pool that fills up: `leaking` becomes `suspected`.
void doubt_few_looks(std::size_t looks, Finding& finding);

// "The limit is 1024: reached in about 3 min."; empty when there is no limit or none is in sight (30 days).
[[nodiscard]] std::string limit_text(std::uint64_t limit, std::uint64_t used, const Rate& rate, std::string_view what);

// Two rates that one cause explains: so many of the one for each of the other, within their intervals.
[[nodiscard]] bool same_growth(const Rate& a, const Rate& b);

void name_resource_finding(const model::Model& model, std::string_view prefix, Finding& finding);

}  // namespace gotrace::detect
