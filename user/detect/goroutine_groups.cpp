// Goroutines grouped by creation site, blocked stack and wait reason; which groups are stuck cohorts, and what clears
// one.
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>
#include <unordered_set>

#include "detect/frames.h"
#include "detect/goroutine_parts.h"
#include "detect/normal_waits.h"

namespace gotrace::detect {
namespace {

constexpr std::uint64_t kLeastCohort = 20;
constexpr std::uint64_t kBirthBatch = 16;  // ids that a P takes at a time (runtime/proc.go, _GoidCacheBatch)
constexpr std::size_t kMostChecked = 64;

std::string wait_word(const model::Model& model, const GoroutineState& state) {
  if (state.status != GoStatus::waiting || !model.target()) return to_string(state.status);
  const auto& reasons = model.target()->wait_reasons;
  return state.wait_reason < reasons.size() && !reasons[state.wait_reason].empty() ? reasons[state.wait_reason]
                                                                                   : to_string(state.status);
}

using Key = std::tuple<std::size_t, StackId, std::string>;

using Slot = model::GoroutineStore::Slot;

// Goroutines of one kind are in one group: a kind's key is made once.
std::map<Key, std::vector<Slot>> collect(const model::Model& model) {
  std::map<Key, std::vector<Slot>> groups;
  const auto& table = model.goroutines();
  const auto& alive = table.alive();
  std::vector<std::vector<Slot>*> by_kind(alive.kinds());
  alive.for_each([&](Slot slot) {
    auto*& members = by_kind[alive.kind(slot)];
    const GoroutineState& common = alive.common(slot);
    if (members == nullptr) {
      members = &groups[{table.site_of(common.created_at), common.stack, wait_word(model, common)}];
    }
    members->push_back(slot);
  });
  for (auto& [key, members] : groups) {
    const auto goid = [&alive](Slot slot) { return alive.goid(slot); };
    if (!std::ranges::is_sorted(members, {}, goid)) std::ranges::sort(members, {}, goid);
  }
  return groups;
}

// Goroutines that wait for I/O, by id: the partners of per-connection helpers.
std::vector<std::uint64_t> io_waiters(const model::Model& model) {
  std::vector<std::uint64_t> result;
  const auto& alive = model.goroutines().alive();
  std::vector<std::optional<bool>> by_kind(alive.kinds());
  alive.for_each([&](Slot slot) {
    auto& waits = by_kind[alive.kind(slot)];
    if (!waits) waits = wait_word(model, alive.common(slot)) == "IO wait";
    if (*waits) result.push_back(alive.goid(slot));
  });
  std::sort(result.begin(), result.end());
  return result;
}

bool has_io_partner(const GoroutineState& state, const std::vector<std::uint64_t>& io) {
  if (state.parent_goid != 0 && std::binary_search(io.begin(), io.end(), state.parent_goid)) return true;
  const auto near = std::lower_bound(io.begin(), io.end(), state.goid > kBirthBatch ? state.goid - kBirthBatch : 0);
  return near != io.end() && *near <= state.goid + kBirthBatch;
}

void add_objects(const model::Model& model, GroupJudgement& judged, const std::vector<Slot>& members) {
  std::unordered_set<std::uint64_t> objects;
  for (const Slot member : members) {
    bool any = false;
    bool timer = false;
    const GoroutineState state = model.goroutines().alive().state(member);
    for (const WaitObject& object : state.wait_objects) {
      timer = timer || object.timer;
      if (object.address == 0) continue;
      any = true;
      objects.insert(object.address);
      judged.max_capacity = std::max(judged.max_capacity, object.capacity);
      if (judged.sample_objects.size() < 8) judged.sample_objects.push_back(object);
    }
    judged.with_object += any ? 1 : 0;
    judged.timers += timer ? 1 : 0;
  }
  judged.distinct_objects = objects.size();
}

void add_ages(const model::Model& model, GroupJudgement& judged, const std::vector<Slot>& members) {
  const auto& table = model.goroutines();
  const auto& alive = table.alive();
  const std::uint64_t now = table.looks().back().time_ns;
  double oldest = 0;
  double newest = 1e18;
  bool any = false;
  double still = 1e18;
  for (const Slot member : members) {
    if (alive.common(member).status != GoStatus::waiting) continue;
    const std::uint64_t wait_since_ns = alive.wait_since_ns(member);
    const double seen = seconds_between(table.still_since_ns(member), now);
    const double by_gc = wait_since_ns != 0 ? seconds_between(wait_since_ns, now) : 0;
    if (wait_since_ns == 0) ++judged.group.not_yet_seen_by_gc;
    const double age = std::max(seen, by_gc);
    any = true;
    oldest = std::max(oldest, age);
    newest = std::min(newest, age);
    if (alive.last_ran_look(member) > alive.first_look(member)) continue;
    ++judged.still;
    still = std::min(still, age);
  }
  if (any) {
    judged.group.oldest_seconds_at_least = oldest;
    judged.group.newest_seconds_at_least = newest;
  }
  if (judged.still > 0) judged.still_seconds = still;
}

void describe(const model::Model& model, GroupJudgement& judged, const std::vector<Slot>& members,
              const std::vector<SiteJudgement>& sites) {
  const auto& alive = model.goroutines().alive();
  const GoroutineState sample = alive.state(members.front());
  GoroutineGroup& group = judged.group;
  group.count = members.size();
  group.stack = model.symbols().expand(sample.stack);
  group.blocked_at = first_outside_runtime(group.stack);
  if (const auto& start = model.symbols().frames(sample.start); !start.empty()) group.start = start.back();
  if (judged.site < sites.size()) {
    const auto& created = sites[judged.site].created_at;
    if (!created.empty()) group.created_by = created.front();
    group.creation_site_id = sites[judged.site].site.id;
  }
  std::set<std::uint64_t> parents;
  const bool parents_known = sample.parent_goid != 0;
  judged.members.reserve(members.size());
  for (const Slot member : members) {
    const std::uint64_t goid = alive.goid(member);
    group.stack_bytes += alive.common(member).stack_bytes;
    judged.members.push_back(goid);
    if (group.goids.size() < 20) group.goids.push_back(goid);
    if (parents_known) parents.insert(alive.parent_goid(member));
    if (alive.settled(member) && alive.first_look(member) > 1) ++judged.settled_new;
  }
  judged.parents = parents.size();
  group.normal_because = normal_because(group.stack, group.wait_reason, sample.system);
}

// Held by someone who is not waiting, and made by one goroutine in one go: a pool whose workers have channels of their
// own.
bool held_as_a_pool(const model::Model& model, const GroupJudgement& judged) {
  const std::set<std::uint64_t> members(judged.members.begin(), judged.members.end());
  std::uint64_t asked = 0;
  std::uint64_t held = 0;
  for (const WaitObjectHolders& holders : model.holders()) {
    if (!members.contains(holders.goid)) continue;
    ++asked;
    if (holders.in_globals || holders.other_stacks > 0 || holders.held_heap_objects > 0) ++held;
  }
  if (asked == 0 || held * 5 < asked * 4) return false;
  const std::uint64_t spread = judged.members.back() - judged.members.front();
  return judged.parents == 1 || (judged.parents == 0 && spread < 2 * judged.members.size() + 4 * kBirthBatch);
}

std::string what_clears(const model::Model& model, const GroupJudgement& judged) {
  const std::uint64_t count = judged.group.count;
  const bool receives = !judged.group.wait_reason.starts_with("chan send");
  if (judged.timers * 2 > count) return "a timer ends the wait";
  if (receives && judged.with_object * 2 > count && judged.distinct_objects <= std::max<std::uint64_t>(2, count / 20))
    return fmt::format("pool of {}: all wait on {}", count,
                       judged.distinct_objects == 1 ? "one channel" : "few channels");
  if (judged.with_io_partner * 5 >= count * 4) return "one to each connection that waits for I/O";
  if (held_as_a_pool(model, judged)) return fmt::format("pool of {}: one owner holds every worker's channel", count);
  return {};
}

bool looks_stuck(const model::Model& model, const GroupJudgement& judged) {
  const GoroutineGroup& group = judged.group;
  const double stuck_after = model.session() ? static_cast<double>(model.session()->stuck_after_ns) / 1e9 : 300;
  return group.count >= kLeastCohort && group.count * 100 >= model.goroutines().alive().size() &&
         group.normal_because.empty() && ended_by_goroutine_only(group.wait_reason) &&
         model.goroutines().look_count() >= 2 && judged.still * 10 >= group.count * 9 &&
         group.newest_seconds_at_least.value_or(0) >= stuck_after;
}

void judge_stuck(const model::Model& model, GroupJudgement& judged, const std::vector<Slot>& members,
                 const std::vector<std::uint64_t>& io) {
  add_objects(model, judged, members);
  if (!looks_stuck(model, judged)) return;
  const auto& alive = model.goroutines().alive();
  for (const Slot member : members) judged.with_io_partner += has_io_partner(alive.state(member), io) ? 1 : 0;
  judged.cleared_by = what_clears(model, judged);
  judged.stuck = judged.cleared_by.empty();
}

void judge_verdict(GroupJudgement& judged, const std::vector<SiteJudgement>& sites) {
  GoroutineGroup& group = judged.group;
  const SiteJudgement* site = judged.site < sites.size() ? &sites[judged.site] : nullptr;
  if (site != nullptr && site->growth.trend != Trend::unknown) group.growth_per_second = 0;
  if (group.normal_because.empty() && !judged.cleared_by.empty()) group.normal_because = judged.cleared_by;
  group.verdict = judged.stuck                                                ? Verdict::suspected
                  : site == nullptr || site->site.verdict == Verdict::unknown ? Verdict::unknown
                                                                              : Verdict::healthy;
}

// A growing site's growth, shared out over its groups by where its new goroutines stand now.
void share_growth(std::vector<GroupJudgement>& groups, const std::vector<SiteJudgement>& sites) {
  std::vector<std::uint64_t> fresh(sites.size());
  for (const GroupJudgement& judged : groups)
    if (judged.site < sites.size()) fresh[judged.site] += judged.settled_new;
  for (GroupJudgement& judged : groups) {
    if (judged.site >= sites.size() || fresh[judged.site] == 0) continue;
    const SiteJudgement& site = sites[judged.site];
    if (site.growth.trend == Trend::unknown) continue;
    const double share = static_cast<double>(judged.settled_new) / static_cast<double>(fresh[judged.site]);
    judged.group.growth_per_second = site.growth.rate.value * share;
    if (site.growth.trend == Trend::growing && share > 0)
      judged.group.verdict = std::max(judged.group.verdict, site.site.verdict);
  }
}

void name_groups(std::vector<GroupJudgement>& groups) {
  UniqueIds ids;
  for (GroupJudgement& judged : groups) {
    std::vector<Frame> frames = judged.group.stack;
    if (judged.group.created_by) frames.push_back(*judged.group.created_by);
    judged.group.id = ids.claim(stable_id("gg", "goroutine-group", judged.group.wait_reason, frames));
  }
}

}  // namespace

std::vector<GroupJudgement> judge_groups(const model::Model& model, const std::vector<SiteJudgement>& sites) {
  std::vector<GroupJudgement> result;
  if (model.goroutines().looks().empty()) return result;
  const auto io = io_waiters(model);
  for (const auto& [key, members] : collect(model)) {
    GroupJudgement judged;
    judged.site = std::get<0>(key);
    judged.group.wait_reason = std::get<2>(key);
    describe(model, judged, members, sites);
    add_ages(model, judged, members);
    judge_stuck(model, judged, members, io);
    judge_verdict(judged, sites);
    result.push_back(std::move(judged));
  }
  share_growth(result, sites);
  std::stable_sort(result.begin(), result.end(),
                   [](const auto& a, const auto& b) { return a.group.count > b.group.count; });
  name_groups(result);
  return result;
}

GoroutineJudgement judge_goroutines(const model::Model& model) {
  GoroutineJudgement result;
  result.sites = judge_sites(model);
  result.groups = judge_groups(model, result.sites);
  const auto& looks = model.goroutines().looks();
  std::vector<Step> steps;
  for (std::size_t i = 1; i < looks.size(); ++i) {
    steps.push_back({seconds_between(looks[i - 1].time_ns, looks[i].time_ns),
                     static_cast<double>(looks[i].goroutines) - static_cast<double>(looks[i - 1].goroutines), 0});
  }
  result.total_trend = judge_steps(merge_steps(steps, 20)).trend;
  return result;
}

std::vector<CohortToCheck> cohorts_to_check(const model::Model& model) {
  std::vector<CohortToCheck> result;
  for (const GroupJudgement& judged : judge_goroutines(model).groups) {
    if (!judged.stuck) continue;
    CohortToCheck cohort;
    cohort.cohort_goids = judged.members;
    const std::size_t stride = std::max<std::size_t>(1, judged.members.size() / kMostChecked);
    for (std::size_t i = 0; i < judged.members.size() && cohort.waiters.size() < kMostChecked; i += stride) {
      const auto found = model.goroutines().find(judged.members[i]);
      if (!found || found->state.wait_objects.empty()) continue;
      cohort.waiters.push_back({judged.members[i], found->state.wait_objects.front().address});
    }
    if (!cohort.waiters.empty()) result.push_back(std::move(cohort));
  }
  return result;
}

}  // namespace gotrace::detect
