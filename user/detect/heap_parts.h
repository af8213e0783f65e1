// Shared by the files that judge the heap; not for others.
#pragma once

#include <cstdint>
#include <vector>

#include "detect/heap.h"

namespace gotrace::detect {

// Growth that matters to somebody: slower is noise of caches and maps (DETECTION section 3).
constexpr double kMaterialBytesPerSecond = 4096;

[[nodiscard]] double live_bytes(const model::GcPoint& point, const std::vector<std::uint32_t>& sizes);
void judge_classes(const model::Model& model, HeapJudgement& judgement);
// Needs the classes judged.
void judge_call_sites(const model::Model& model, HeapJudgement& judgement);

}  // namespace gotrace::detect
