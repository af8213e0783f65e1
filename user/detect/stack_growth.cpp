// Findings of kind stack-growth: the stacks of a creation site's goroutines grow while their number does not. A stack
// doubles when it is full (runtime/stack.go), up to 1 GB, where the program dies.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/units.h"
#include "detect/detector.h"
#include "detect/resources.h"

namespace gotrace::detect {
namespace {

constexpr double kLeastBytes = 4 << 20;   // of a site's stacks, at the end
constexpr double kLeastEach = 256 << 10;  // bytes a goroutine: what a pool that warms up never has
constexpr double kLeastFactor = 1.5;      // by which they grew in the window
constexpr double kLeastRises = 3;         // doublings, or goroutines whose stack doubled

// Levels, not independent steps: stacks only shrink at a GC, and double. So: never less, and more in each third.
bool rises_all_along(const std::vector<std::uint64_t>& bytes) {
  const std::size_t third = bytes.size() / 3;
  if (third < 2 || !std::is_sorted(bytes.begin(), bytes.end())) return false;
  double rises = 0;
  for (std::size_t i = 1; i < bytes.size(); ++i) rises += bytes[i] > bytes[i - 1] ? 1 : 0;
  return rises >= kLeastRises && bytes[third] > bytes.front() && bytes[2 * third] > bytes[third] &&
         bytes.back() > bytes[2 * third];
}

// The call that stands on the stack again and again, where it could be read.
void tell_recursion(const std::vector<Frame>& stack, Finding& finding) {
  constexpr std::size_t kLeastTimes = 8;
  std::map<std::pair<std::string, std::int32_t>, std::size_t> times;
  for (const Frame& frame : stack)
    if (!frame.standard_library) ++times[{frame.function, frame.line}];
  const auto most =
      std::max_element(times.begin(), times.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  if (most == times.end() || most->second < kLeastTimes) return;
  finding.where = *std::find_if(stack.begin(), stack.end(), [&](const Frame& frame) {
    return frame.function == most->first.first && frame.line == most->first.second;
  });
  finding.evidence.push_back({"recursion", fmt::format("This call stands on it {} times among the {} innermost frames.",
                                                       most->second, stack.size())});
}

Finding finding_of(const model::Model& model, const Judgements& judgements, std::size_t index,
                   const std::vector<std::uint64_t>& bytes, double seconds) {
  const SiteJudgement& site = judgements.goroutines.sites[index];
  const auto first = static_cast<double>(bytes.front());
  const auto last = static_cast<double>(bytes.back());
  Finding finding;
  finding.kind = "stack-growth";
  finding.title = "stacks grow, the number of goroutines does not";
  finding.verdict = Verdict::suspected;  // a look can't tell a deep recursion that ends from one that does not
  finding.trend = Trend::growing;
  finding.count = site.site.count;
  finding.bytes = bytes.back();
  const double rate = (last - first) / seconds;
  finding.growth = Rate{rate, rate, rate};
  finding.growth_unit = "bytes";
  finding.confidence = Confidence::medium;
  finding.created_by = site.site.where;
  finding.where = site.site.where;
  finding.evidence.push_back(
      {"stacks-grow", fmt::format("Stacks of {} goroutine{} grew from {} to {} and never shrank.", site.site.count,
                                  site.site.count == 1 ? "" : "s", format_bytes(first), format_bytes(last))});
  const GroupJudgement* deepest = nullptr;
  for (const GroupJudgement& group : judgements.goroutines.groups) {
    if (group.site != index) continue;
    finding.group_ids.push_back(group.group.id);
    if (deepest == nullptr || group.group.stack.size() > deepest->group.stack.size()) deepest = &group;
  }
  if (deepest != nullptr) {
    finding.stack = deepest->group.stack;
    tell_recursion(finding.stack, finding);
  }
  finding.advice = "end the recursion: a base case that is always reached, or a loop with a slice as its stack";
  finding.not_known = "whether it ends by itself: look again in some minutes";
  name_resource_finding(model, "sg", finding);
  return finding;
}

std::vector<std::uint64_t> bytes_of(const model::Model& model, std::size_t site) {
  const auto& stacks = model.resources().stacks();
  std::vector<std::uint64_t> bytes(stacks.points.size());
  for (const auto& [key, counts] : stacks.counts) {
    if (model.goroutines().site_of(key.location) != site) continue;
    for (std::size_t i = 0; i < counts.size(); ++i) bytes[i] += counts[i];
  }
  return bytes;
}

}  // namespace

std::vector<Finding> find_stack_growth(const model::Model& model, const Judgements& judgements) {
  std::vector<Finding> findings;
  const auto& stacks = model.resources().stacks();
  if (stacks.points.size() < 6) return {};
  const double seconds = static_cast<double>(stacks.points.back().time_ns - stacks.points.front().time_ns) / 1e9;
  for (std::size_t index = 0; index < judgements.goroutines.sites.size() && seconds > 0; ++index) {
    const SiteJudgement& site = judgements.goroutines.sites[index];
    const auto bytes = bytes_of(model, index);
    const auto first = static_cast<double>(bytes.front());
    const auto last = static_cast<double>(bytes.back());
    const bool deep = last >= kLeastEach * static_cast<double>(site.site.count);
    const bool count_grows = site.growth.trend == Trend::growing || site.settled_births > site.settled_ends;
    if (count_grows || !deep || last < kLeastBytes || first <= 0 || last < kLeastFactor * first ||
        !rises_all_along(bytes))
      continue;
    findings.push_back(finding_of(model, judgements, index, bytes, seconds));
  }
  return findings;
}

}  // namespace gotrace::detect
