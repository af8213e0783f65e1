// A detector: tables -> findings, one file a kind of leak, pure. A new one is one new file and one line in
// detectors.cpp.
#pragma once

#include <vector>

#include "detect/analysis.h"
#include "detect/goroutines.h"
#include "detect/heap.h"
#include "model/model.h"

namespace gotrace::detect {

struct Judgements {
  GoroutineJudgement goroutines;
  HeapJudgement heap;
};

using Detector = std::vector<Finding> (*)(const model::Model& model, const Judgements& judgements);
[[nodiscard]] const std::vector<Detector>& detectors();

[[nodiscard]] std::vector<Finding> find_growing_goroutines(const model::Model& model, const Judgements& judgements);
[[nodiscard]] std::vector<Finding> find_stuck_goroutines(const model::Model& model, const Judgements& judgements);
[[nodiscard]] std::vector<Finding> find_proved_goroutines(const model::Model& model, const Judgements& judgements);
[[nodiscard]] std::vector<Finding> find_growing_call_sites(const model::Model& model, const Judgements& judgements);
[[nodiscard]] std::vector<Finding> find_open_file_leaks(const model::Model& model, const Judgements& judgements);
[[nodiscard]] std::vector<Finding> find_unexplained_resident(const model::Model& model, const Judgements& judgements);
[[nodiscard]] std::vector<Finding> find_thread_leaks(const model::Model& model, const Judgements& judgements);
[[nodiscard]] std::vector<Finding> find_ticker_leaks(const model::Model& model, const Judgements& judgements);
[[nodiscard]] std::vector<Finding> find_deferred_in_loops(const model::Model& model, const Judgements& judgements);
[[nodiscard]] std::vector<Finding> find_finalizer_leaks(const model::Model& model, const Judgements& judgements);
[[nodiscard]] std::vector<Finding> find_finalizer_cycles(const model::Model& model, const Judgements& judgements);
[[nodiscard]] std::vector<Finding> find_retained_substrings(const model::Model& model, const Judgements& judgements);
[[nodiscard]] std::vector<Finding> find_retained_subslices(const model::Model& model, const Judgements& judgements);
[[nodiscard]] std::vector<Finding> find_retained_elements(const model::Model& model, const Judgements& judgements);
[[nodiscard]] std::vector<Finding> find_retained_by_stack(const model::Model& model, const Judgements& judgements);
[[nodiscard]] std::vector<Finding> find_stack_growth(const model::Model& model, const Judgements& judgements);

}  // namespace gotrace::detect
