// Findings of kind finalizer-leak: one finalizer blocks, and all that are queued behind it never run.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "detect/detector.h"
#include "detect/frames.h"
#include "detect/resources.h"

namespace gotrace::detect {
namespace {

constexpr std::uint64_t kLeastQueue = 20;

struct Runner {  // of a queue
  const char* queue;
  std::array<std::string_view, 2> starts;  // names of its goroutine's function, by Go version
};
constexpr Runner kRunners[] = {
    {"finalizers", {"runtime.runfinq", "runtime.runFinalizers"}},
    {"cleanups", {"runtime.runCleanups", "runtime.runCleanups"}},
};

// The goroutine that runs the queue, when it stood in the program's own code all the time that we looked.
const GroupJudgement* stuck_runner(const Judgements& judgements, const Runner& runner) {
  for (const GroupJudgement& judged : judgements.goroutines.groups) {
    const auto& start = judged.group.start;
    const bool runs_it =
        start && std::find(runner.starts.begin(), runner.starts.end(), start->function) != runner.starts.end();
    if (runs_it && judged.still == judged.group.count && judged.still_seconds >= 5 &&
        first_outside_runtime(judged.group.stack))
      return &judged;
  }
  return nullptr;
}

Finding finding_of(const model::Model& model, const model::ResourceSeries& queue, const Runner& runner,
                   const GroupJudgement& stuck, const std::vector<std::uint64_t>& counts) {
  Finding finding;
  finding.kind = "finalizer-leak";
  finding.title = "a blocked finalizer keeps all others from running";
  finding.stack = stuck.group.stack;
  finding.where = first_of_program(finding.stack);
  if (!finding.where) finding.where = first_outside_runtime(finding.stack);
  finding.blocked_at = stuck.group.blocked_at;
  finding.wait_reason = stuck.group.wait_reason;
  finding.since_seconds_at_least = stuck.group.oldest_seconds_at_least;
  finding.count = counts.back();
  finding.growth = judge_growth(count_steps(queue, counts)).rate;
  finding.growth_unit = "finalizers";
  finding.group_ids.push_back(stuck.group.id);
  finding.trend = Trend::growing;
  std::size_t rises = 0;
  for (std::size_t i = 1; i < counts.size(); ++i) rises += counts[i] > counts[i - 1] ? 1 : 0;
  finding.verdict = rises >= 2 ? Verdict::leaking : Verdict::suspected;
  finding.confidence = rises >= 2 ? Confidence::high : Confidence::medium;
  finding.evidence.push_back(
      {"runner-stuck", fmt::format("The goroutine that runs all {} stands here ({}) and did not go on while we looked.",
                                   runner.queue, stuck.group.wait_reason)});
  finding.evidence.push_back({"queue-grows", fmt::format("{} {} wait behind it, {} when we came.", counts.back(),
                                                         runner.queue, counts.front())});
  finding.advice = "never block in a finalizer: hand the work to a goroutine of its own, go func() { ... }()";
  name_resource_finding(model, "fz", finding);
  return finding;
}

}  // namespace

std::vector<Finding> find_finalizer_leaks(const model::Model& model, const Judgements& judgements) {
  std::vector<Finding> findings;
  const auto& queue = model.resources().series(ResourceKind::finalizers);
  if (queue.points.size() < 3) return {};
  for (const Runner& runner : kRunners) {
    const auto counts = queue.counts.find({runner.queue, LocationId::none, 0});
    if (counts == queue.counts.end()) continue;
    const auto& series = counts->second;
    const bool fell = !std::is_sorted(series.begin(), series.end());
    if (fell || series.back() < kLeastQueue || series.back() == series.front()) continue;
    if (const GroupJudgement* stuck = stuck_runner(judgements, runner))
      findings.push_back(finding_of(model, queue, runner, *stuck, series));
  }
  return findings;
}

}  // namespace gotrace::detect
