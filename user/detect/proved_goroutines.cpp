// Findings of verdict proved: goroutines that nothing which can still run can wake, by creation site and blocked stack.
#include "detect/proved_goroutines.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/units.h"
#include "detect/detector.h"
#include "detect/frames.h"
#include "detect/goroutine_words.h"

namespace gotrace::detect {
namespace {

struct Proved {
  std::uint64_t goroutines = 0;
  std::uint64_t held_bytes = 0;
  std::vector<std::uint32_t> deadlocks;  // in which they are
};

// Both lists are by rising id.
Proved proved_of(const GroupJudgement& judged, const Proof& proof) {
  Proved result;
  auto at = proof.goids.begin();
  for (const std::uint64_t member : judged.members) {
    at = std::lower_bound(at, proof.goids.end(), member);
    if (at == proof.goids.end()) break;
    if (*at != member) continue;
    ++result.goroutines;
    const auto index = static_cast<std::size_t>(at - proof.goids.begin());
    result.held_bytes += proof.held_bytes[index];
    if (proof.deadlocks[index] != 0) result.deadlocks.push_back(proof.deadlocks[index]);
  }
  return result;
}

std::string what_is_waited_for(std::string_view wait_reason) {
  if (wait_reason.starts_with("select")) return "any of the channels they wait on";
  if (wait_reason.starts_with("chan")) return "the channel they wait on";
  if (wait_reason.starts_with("sync.WaitGroup")) return "the wait group they wait for";
  if (wait_reason.starts_with("sync.Cond")) return "the condition they wait for";
  if (wait_reason.starts_with("coroutine")) return "the next or stop function of the iterator";
  return "the lock they wait for";
}

bool waits_for_nothing(std::string_view wait_reason) {
  return wait_reason.find("nil chan") != std::string_view::npos ||
         wait_reason.find("no cases") != std::string_view::npos;
}

Finding proved_finding(const model::Model& model, const Judgements& judgements, const GroupJudgement& judged,
                       const Proved& proved) {
  const auto& sites = judgements.goroutines.sites;
  Finding finding;
  finding.kind = kGoroutineLeak;
  finding.verdict = Verdict::proved;
  finding.count = proved.goroutines;
  finding.bytes = judged.group.count == 0 ? 0 : judged.group.stack_bytes / judged.group.count * proved.goroutines;
  finding.confidence = Confidence::high;
  place_finding(judged, judged.site < sites.size() ? &sites[judged.site] : nullptr, finding);
  finding.title = "goroutines can never run again";
  const std::string& reason = judged.group.wait_reason;
  finding.evidence.push_back(
      {"unreachable", waits_for_nothing(reason)
                          ? "Nothing ends such a wait."
                          : fmt::format("Nothing that can still run leads to {}: no other goroutine, package variable, "
                                        "timer or finalizer.",
                                        what_is_waited_for(reason))});
  if (proved.goroutines < judged.group.count)
    finding.evidence.push_back({"others-can-run", fmt::format("Of {} there, the others can still be woken.",
                                                              format_count(judged.group.count))});
  add_object_evidence(judged, finding.evidence);
  if (proved.held_bytes > 0)
    finding.evidence.push_back({"held-bytes", fmt::format("They alone keep {} of the heap.",
                                                          format_bytes(static_cast<double>(proved.held_bytes)))});
  finding.advice = advice_for(reason, judged);
  finding.group_ids.push_back(judged.group.id);
  name_goroutine_finding(model, finding);
  return finding;
}

std::string member(const GroupJudgement& judged) {
  const auto own = first_of_program(judged.group.stack);
  const auto& at = own ? own : judged.group.blocked_at;
  return fmt::format("{} ({})", at ? fmt::format("{} at {}", at->function, place(*at)) : "?", judged.group.wait_reason);
}

// Groups whose goroutines wait for each other are one finding: that of the first, which names the others.
struct Deadlock {
  std::set<std::size_t> groups;
  std::set<std::uint32_t> numbers;
};

class DeadlockGroups {
 public:
  explicit DeadlockGroups(const std::vector<Proved>& proved) {
    std::map<std::uint32_t, std::set<std::size_t>> groups;
    for (std::size_t i = 0; i < proved.size(); ++i)
      for (const std::uint32_t number : proved[i].deadlocks) groups[number].insert(i);
    for (const auto& [number, members] : groups) {
      Deadlock& deadlock = by_groups_[members];
      deadlock.groups = members;
      deadlock.numbers.insert(number);
    }
  }
  // The deadlock that this group's goroutines are in, and none of all its groups in another one; nullptr: there is
  // none, or each of the groups is a finding of its own.
  [[nodiscard]] const Deadlock* of(std::size_t group) const {
    const Deadlock* found = only(group);
    const bool apart =
        found != nullptr && std::ranges::any_of(found->groups, [&](std::size_t other) { return only(other) != found; });
    return apart ? nullptr : found;
  }

 private:
  [[nodiscard]] const Deadlock* only(std::size_t group) const {
    const Deadlock* found = nullptr;
    for (const auto& [groups, deadlock] : by_groups_) {
      if (!groups.contains(group)) continue;
      if (found != nullptr) return nullptr;
      found = &deadlock;
    }
    return found;
  }

  std::map<std::set<std::size_t>, Deadlock> by_groups_;
};

void add_deadlock(const Judgements& judgements, const std::vector<Proved>& proved, const Deadlock& deadlock,
                  Finding& finding) {
  std::string members;
  for (const std::size_t group : deadlock.groups)
    members += (members.empty() ? "" : ", ") + member(judgements.goroutines.groups[group]);
  const std::string times =
      deadlock.numbers.size() == 1 ? "" : fmt::format(", {} times over", format_count(deadlock.numbers.size()));
  finding.title = "goroutines wait for each other";
  finding.evidence.insert(finding.evidence.begin(),
                          {"deadlock", fmt::format("They wait for each other{}: {}.", times, members)});
  for (const std::size_t group : deadlock.groups) {
    if (judgements.goroutines.groups[group].group.id == finding.group_ids.front()) continue;
    const GroupJudgement& other = judgements.goroutines.groups[group];
    finding.group_ids.push_back(other.group.id);
    finding.count = finding.count.value_or(0) + proved[group].goroutines;
    finding.bytes =
        finding.bytes.value_or(0) +
        (other.group.count == 0 ? 0 : other.group.stack_bytes / other.group.count * proved[group].goroutines);
  }
}

}  // namespace

std::vector<Finding> find_proved_goroutines(const model::Model& model, const Judgements& judgements) {
  std::vector<Finding> findings;
  const auto& proof = model.proof();
  if (!proof || !proof->off.empty()) return findings;
  const auto& groups = judgements.goroutines.groups;
  std::vector<Proved> proved;
  for (const GroupJudgement& judged : groups) proved.push_back(proved_of(judged, *proof));
  const DeadlockGroups deadlocks(proved);
  for (std::size_t i = 0; i < groups.size(); ++i) {
    if (proved[i].goroutines == 0) continue;
    const Deadlock* deadlock = deadlocks.of(i);
    if (deadlock != nullptr && *deadlock->groups.begin() != i) continue;  // told with the first of them
    findings.push_back(proved_finding(model, judgements, groups[i], proved[i]));
    if (deadlock != nullptr) add_deadlock(judgements, proved, *deadlock, findings.back());
  }
  return findings;
}

std::vector<ReachedGoroutineGroup> reached_groups(const model::Model& model, const GoroutineJudgement& judged) {
  std::vector<ReachedGoroutineGroup> result;
  if (!model.proof()) return result;
  for (const ReachedGoroutines& reached : model.proof()->reached) {
    const auto found = std::ranges::find_if(judged.groups, [&](const GroupJudgement& group) {
      return std::ranges::binary_search(group.members, reached.goid);
    });
    if (found == judged.groups.end()) continue;
    ReachedGoroutineGroup group{.count = reached.goroutines,
                                .created_by = found->group.created_by,
                                .blocked_at = found->group.blocked_at,
                                .wait_reason = found->group.wait_reason,
                                .path = reached.path,
                                .used_at = std::nullopt};
    if (const auto& frames = model.symbols().frames(reached.used_at); !frames.empty()) group.used_at = frames.front();
    result.push_back(std::move(group));
  }
  return result;
}

}  // namespace gotrace::detect
