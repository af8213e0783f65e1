// Findings of kind thread-leak: threads that are made and never end. The runtime keeps threads that it has no work for,
// and uses them again: these are idle, and no leak.
#include <fmt/format.h>

#include <algorithm>

#include "detect/detector.h"
#include "detect/resources.h"

namespace gotrace::detect {
namespace {

constexpr double kLeastGrowth = 10;    // threads, during the window
constexpr std::uint64_t kAtStart = 8;  // of a Go process that has just begun

std::vector<std::uint64_t> counts_of(const model::ResourceSeries& threads, const char* name) {
  const auto found = threads.counts.find({name, LocationId::none, 0});
  return found == threads.counts.end() ? std::vector<std::uint64_t>{} : found->second;
}

// Threads that the Go runtime did not make: C code did.
std::vector<std::uint64_t> foreign_counts(const model::ResourceSeries& threads) {
  const auto busy = counts_of(threads, "go");
  const auto idle = counts_of(threads, "idle");
  std::vector<std::uint64_t> result;
  for (std::size_t i = 0; i < std::min(busy.size(), idle.size()); ++i) {
    const std::uint64_t own = busy[i] + idle[i];
    result.push_back(threads.points[i].total > own ? threads.points[i].total - own : 0);
  }
  return result;
}

// The creation site whose goroutines grow as the threads do.
const SiteJudgement* site_of(const Judgements& judgements, const Rate& rate, std::size_t& index) {
  const auto& sites = judgements.goroutines.sites;
  for (index = 0; index < sites.size(); ++index)
    if (sites[index].site.verdict >= Verdict::suspected && same_growth(sites[index].growth.rate, rate))
      return &sites[index];
  return nullptr;
}

void tell_goroutines(const Judgements& judgements, std::size_t site_index, Finding& finding) {
  const SiteJudgement& site = judgements.goroutines.sites[site_index];
  const GroupJudgement* main = nullptr;
  for (const GroupJudgement& group : judgements.goroutines.groups) {
    if (group.site != site_index) continue;
    finding.group_ids.push_back(group.group.id);
    if (main == nullptr || group.settled_new > main->settled_new) main = &group;
  }
  finding.where = site.site.where;
  if (main == nullptr) return;
  finding.stack = main->group.stack;
  finding.blocked_at = main->group.blocked_at;
  finding.wait_reason = main->group.wait_reason;
  finding.created_by = main->group.created_by;
  const bool in_call = main->group.wait_reason == "syscall" || main->group.wait_reason == "running";
  finding.evidence.push_back(
      {"goroutines-grow", fmt::format("As many goroutines grow, {:.1f} a second: each {}.", site.growth.rate.value,
                                      in_call ? "is in a system call or in C code, which keeps its thread"
                                              : "seems bound to its thread by runtime.LockOSThread")});
  finding.advice = in_call
                       ? "make the call return: set a deadline, or close the file that it waits on when the work is "
                         "given up"
                       : "return, or call runtime.UnlockOSThread, on every path";
}

}  // namespace

std::vector<Finding> find_thread_leaks(const model::Model& model, const Judgements& judgements) {
  const auto& threads = model.resources().series(ResourceKind::threads);
  if (threads.points.size() < 6) return {};
  const Growth growth = judge_growth(total_steps(threads));
  const auto& first = threads.points.front();
  const auto& last = threads.points.back();
  const double change = static_cast<double>(last.total) - static_cast<double>(first.total);
  if (growth.trend != Trend::growing || change < kLeastGrowth) return {};
  std::size_t index = 0;
  const bool busy = judge_growth(count_steps(threads, counts_of(threads, "go"))).trend == Trend::growing;
  const bool foreign = judge_growth(count_steps(threads, foreign_counts(threads))).trend == Trend::growing;
  const SiteJudgement* site = busy || foreign ? site_of(judgements, growth.rate, index) : nullptr;
  if (site == nullptr && !foreign) return {};
  Finding finding;
  finding.kind = "thread-leak";
  finding.title = "threads grow";
  finding.count = last.total;
  finding.growth = growth.rate;
  finding.growth_unit = "threads";
  finding.evidence.push_back({"growth-steady", fmt::format("Threads went from {} to {}.", first.total, last.total)});
  if (const auto text = limit_text(last.limit, last.total, growth.rate, "Go's own limit (debug.SetMaxThreads)");
      !text.empty())
    finding.evidence.push_back({"limit", text});
  if (site != nullptr) {
    tell_goroutines(judgements, index, finding);
  } else {
    finding.evidence.push_back({"not-of-go", "The Go runtime did not make them: C code did."});
    finding.look_at = "what starts threads in C code that is called through cgo";
    finding.advice = "end them: pthread_join, or the library's own way to shut down";
  }
  judge_verdict(
      judge_history(model, first.time_ns, static_cast<double>(first.total > kAtStart ? first.total - kAtStart : 0),
                    growth.rate.value, "Their number grew"),
      finding);
  doubt_few_looks(threads.points.size(), finding);
  if (site != nullptr) finding.verdict = std::max(finding.verdict, site->site.verdict);
  if (finding.verdict >= Verdict::leaking) finding.not_known.clear();
  name_resource_finding(model, "th", finding);
  return {finding};
}

}  // namespace gotrace::detect
