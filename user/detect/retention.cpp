#include "detect/retention.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/units.h"
#include "detect/frames.h"
#include "detect/kept_objects.h"
#include "detect/resources.h"

namespace gotrace::detect {
namespace {

constexpr std::uint64_t kLeastWaste = 1'000'000;     // bytes
constexpr double kLeastShare = 0.02;                 // of the live heap
constexpr double kLeastProvedShare = 0.001;          // likewise, where there is no doubt
constexpr double kLeastShareAnHour = 0.01;           // of it, of what grows
constexpr std::uint64_t kLeastObjectsOfSample = 20;  // where not all memory was read
constexpr double kLeastRead = 0.2;                   // of the memory that may hold pointers
constexpr std::uint64_t kLeastGrowth = 10;           // objects, of what could be capacity in reserve
constexpr std::size_t kMostHolders = 3;              // named

// Sampled allocations of their size that were made at a call site while we looked.
std::uint64_t such_samples(const model::AllocationSite& site, const Kept& kept) {
  std::uint64_t hits = 0;
  for (const auto& [size_class, count] : site.samples) {
    const double size = count.objects > 0 ? count.bytes / count.objects : 0;
    constexpr double kRounding = 1.001;  // of the mean
    if (size * kRounding >= static_cast<double>(kept.smallest) && size <= kRounding * static_cast<double>(kept.largest))
      hits += count.hits;
  }
  return hits;
}

bool same_line(const std::optional<Frame>& a, const std::optional<Frame>& b) {
  return a && b && a->file == b->file && a->line == b->line;
}

struct Origin {  // where they are allocated
  std::vector<Frame> stack;
  const SiteGrowth* site = nullptr;   // null: the heap's call sites don't have it
  std::uint64_t samples = 0, of = 0;  // by which it is known, where no object of theirs was sampled itself
};

const SiteGrowth* growth_at(const Judgements& judgements, const std::vector<Frame>& stack) {
  const auto own = first_of_program(stack);
  const SiteGrowth* found = nullptr;
  for (const SiteGrowth& site : judgements.heap.sites) {
    if (!same_line(first_of_program(site.call_site.stack), own)) continue;
    if (found == nullptr || site.call_site.trend == Trend::growing) found = &site;
    if (found->call_site.trend == Trend::growing) break;
  }
  return found;
}

// Known by a sample of theirs; else, while they become more, the line that makes most of the objects of that size.
Origin origin_of(const model::Model& model, const Judgements& judgements, const Kept& kept, bool more) {
  constexpr std::uint64_t kLeastSamples = 3;
  if (!kept.stack.empty()) return {kept.stack, growth_at(judgements, kept.stack), 0, 0};
  if (!more) return {};
  std::map<std::pair<std::string, std::int32_t>, Origin> lines;
  std::uint64_t all = 0;
  for (const model::AllocationSite& site : model.heap().sites()) {
    const std::uint64_t hits = such_samples(site, kept);
    const auto own = hits > 0 ? first_of_program(site.stack) : std::nullopt;
    if (!own) continue;
    Origin& line = lines.try_emplace({own->file, own->line}, Origin{site.stack, nullptr, 0, 0}).first->second;
    line.samples += hits;
    all += hits;
  }
  for (auto& [line, origin] : lines) {
    if (origin.samples < kLeastSamples || origin.samples * 3 < all * 2) continue;
    origin.of = all;
    origin.site = growth_at(judgements, origin.stack);
    return origin;
  }
  return {};
}

using Totals = std::map<std::uint64_t, std::uint64_t>;  // objects, by time

void add_points(const std::vector<model::RetentionTable::Point>& points, Totals& totals) {
  for (const auto& point : points) totals[point.time_ns] += point.objects;
}

// By who holds them, where that stays the same, else by their size: a map that grows holds them by other arrays. Lists
// are held by a function, and others may have lists of such nodes for a while.
Totals totals_of(const model::Model& model, const Kept& kept) {
  const auto& table = model.retention();
  Totals by_holder;
  Totals by_size;
  std::set<std::uint64_t> sizes;
  for (const RetainedGroup& group : kept.groups) {
    add_points(table.points(group), by_holder);
    if (sizes.insert(group.largest).second)
      add_points(table.points_of(group.kind, group.spare, group.largest), by_size);
  }
  // Nearly all of that size are these.
  const bool on_stack = kept.groups.front().kind == RetentionKind::stack;
  const bool theirs = !on_stack && !by_size.empty() && 10 * kept.objects >= 9 * by_size.rbegin()->second;
  return theirs && by_size.size() > by_holder.size() ? by_size : by_holder;
}

// By its own number, look by look, where no call site tells.
Growth growth_of_objects(const Totals& totals) {
  std::vector<Step> steps;
  for (auto now = totals.begin(); now != totals.end(); ++now) {
    if (now == totals.begin()) continue;
    const auto before = std::prev(now);
    const double change = static_cast<double>(now->second) - static_cast<double>(before->second);
    steps.push_back({static_cast<double>(now->first - before->first) / 1e9, change, std::abs(change)});
  }
  return judge_growth(steps);
}

// More in the end than at first, and never fewer in between: where looks are few, no more can be asked for.
bool rises(const Totals& totals) {
  constexpr std::size_t kLeastLooks = 3;
  const auto falls = [](const auto& before, const auto& now) { return now.second < before.second; };
  return totals.size() >= kLeastLooks && std::ranges::adjacent_find(totals, falls) == totals.end() &&
         totals.rbegin()->second >= totals.begin()->second + kLeastGrowth;
}

// An hour of it is a share of the heap: in a large heap a leak is small for long, and searches are few.
bool grows_much(const model::Model& model, const Kept& kept, double live) {
  const Totals totals = totals_of(model, kept);
  if (!rises(totals)) return false;
  const auto grown = static_cast<double>(totals.rbegin()->second - totals.begin()->second);
  const double seconds = static_cast<double>(totals.rbegin()->first - totals.begin()->first) / 1e9;
  const double each = static_cast<double>(kept.waste()) / static_cast<double>(kept.objects);
  return grown * each / seconds * 3600 >= kLeastShareAnHour * live;
}

// All that may refer to them was read while nothing moved. C's memory was not.
bool is_proved(const model::Model& model, const RetentionLook& look, const Kept& kept) {
  const bool proof = model.proof() && model.proof()->off.empty();
  return proof && look.complete && !kept.spare && model.target() && !model.target()->cgo;
}

bool matters(const model::Model& model, const RetentionLook& look, const Kept& kept) {
  const auto& heap = model.heap().last();
  const double live = static_cast<double>(heap ? heap->heap_marked_bytes : look.heap_bytes);
  if (kept.waste() < kLeastWaste) return false;
  if (is_proved(model, look, kept)) return static_cast<double>(kept.waste()) >= kLeastProvedShare * live;
  if (static_cast<double>(kept.waste()) < kLeastShare * live && !grows_much(model, kept, live)) return false;
  if (look.complete) return true;
  // References may have been missed; of so many objects not one of theirs was seen.
  return kept.objects >= kLeastObjectsOfSample &&
         static_cast<double>(look.read_bytes) >= kLeastRead * static_cast<double>(look.to_read_bytes);
}

std::uint64_t grown_by(const model::Model& model, const Kept& kept) {
  std::uint64_t sum = 0;
  for (const RetainedGroup& group : kept.groups) {
    const auto& points = model.retention().points(group);
    if (!points.empty() && points.back().objects > points.front().objects)
      sum += points.back().objects - points.front().objects;
  }
  return sum;
}

// More are in reserve than before: with the same holders, or, whoever holds them, more and more.
bool reserve_grows(const model::Model& model, const Kept& kept) {
  if (grown_by(model, kept) >= kLeastGrowth) return true;
  constexpr std::size_t kFewLooks = 8;
  const Totals totals = totals_of(model, kept);
  if (totals.size() < kFewLooks && rises(totals)) return true;
  return growth_of_objects(totals).trend == Trend::growing &&
         totals.rbegin()->second >= totals.begin()->second + kLeastGrowth;
}

std::string plural(std::string_view word, std::uint64_t count) {
  return fmt::format("{} {}{}", format_count(count), word, count == 1 ? "" : "s");
}

void add_unused_pointers(const Kept& kept, Finding& finding) {
  finding.evidence.push_back(
      {"unused-pointers",
       fmt::format("{} of {} pointers in {} lie outside of what slices of {} reach. What they point to, {}, is "
                   "kept by them alone, by a sample of it.",
                   format_count(kept.unused_pointers), format_count(kept.pointers), plural("array", kept.objects),
                   kept.objects == 1 ? "it" : "them", format_bytes(static_cast<double>(kept.bytes)))});
  if (kept.spare)
    finding.evidence.push_back({"behind-length",
                                "Most of them lie behind the length of a slice, within its capacity, "
                                "and did not change: they go when something is appended."});
}

void add_used_part(const Kept& kept, const RetentionWords& words, Finding& finding) {
  const RetainedGroup& example = kept.groups.front();
  std::string text =
      fmt::format("{} of {} bytes are used by the {} that {} to {}", format_count(example.example_used),
                  format_count(example.example_bytes), plural(words.reference, example.example_references),
                  example.example_references == 1 ? "refers" : "refer", kept.objects == 1 ? "it" : "the largest waste");
  if (kept.objects > 1)
    text += fmt::format("; all in all {} of {} in {} objects", format_bytes(static_cast<double>(kept.used)),
                        format_bytes(static_cast<double>(kept.bytes)), format_count(kept.objects));
  finding.evidence.push_back({"small-part-used", text + "."});
  if (kept.spare)
    finding.evidence.push_back({"spare-capacity",
                                "The rest is capacity of these slices: waste unless more is appended to "
                                "them. Their lengths did not change."});
}

// The function that holds a list: its line where it makes the list longer, if that is known, else where it stands.
std::optional<Frame> holding_frame(const model::Model& model, const Kept& kept) {
  const RetainedGroup& group = kept.groups.front();
  for (const Frame& frame : kept.stack)
    if (frame.function == group.holder) return frame;
  for (const Frame& frame : model.symbols().frames(group.holder_used_at))
    if (frame.function == group.holder) return frame;
  return std::nullopt;
}

void add_list(const model::Model& model, const Kept& kept, Finding& finding) {
  const RetainedGroup& group = kept.groups.front();
  const auto frame = holding_frame(model, kept);
  const std::string held =
      group.holder.empty() ? std::string("what its stack holds; it was never seen at rest, so which frame is not known")
                           : fmt::format("a frame of {}{}", group.holder, frame ? ", " + place(*frame) : "");
  finding.evidence.push_back(
      {"list-on-stack",
       group.references == 1
           ? fmt::format("Goroutine {} keeps a list of {} objects of {} bytes by {}. Its first object stayed while it "
                         "grew at its end, and nothing else leads to it.",
                         group.goid, format_count(group.objects), group.largest, held)
           : fmt::format(
                 "{} goroutines, {} the one with the longest, keep lists of {} objects of {} bytes by {}. Their "
                 "first objects stayed while they grew at their ends, and nothing else leads to them.",
                 format_count(group.references), group.goid, format_count(group.objects), group.largest, held)});
  finding.evidence.push_back({"nodes-only", "Counted are these objects without what they refer to."});
}

void add_holders(const model::Model& model, const Kept& kept, const RetentionWords& words, Finding& finding) {
  std::vector<std::pair<const RetainedGroup*, std::uint64_t>> holders;  // one of its groups, and objects
  for (const RetainedGroup& group : kept.groups) {
    if (group.holder.empty()) continue;
    const auto same = std::ranges::find_if(holders, [&group](const auto& holder) {
      return holder.first->holder == group.holder && holder.first->holder_used_at == group.holder_used_at;
    });
    if (same != holders.end()) {
      same->second += group.objects;
    } else {
      holders.emplace_back(&group, group.objects);
    }
  }
  if (holders.size() > kMostHolders) holders.resize(kMostHolders);
  for (const auto& [group, objects] : holders) {
    std::string held = fmt::format("{} {} held by {} -> {}", plural("object", objects), objects == 1 ? "is" : "are",
                                   group->holder, words.reference);
    const auto user = first_of_program(model.symbols().frames(group->holder_used_at));
    if (user) held += fmt::format("; the variable is used by {}, {}", user->function, place(*user));
    finding.evidence.push_back({"held-by", held + "."});
  }
}

void add_evidence(const model::Model& model, const RetentionLook& look, const Kept& kept, const RetentionWords& words,
                  Finding& finding) {
  if (words.kind == RetentionKind::elements) {
    add_unused_pointers(kept, finding);
  } else if (words.kind == RetentionKind::stack) {
    add_list(model, kept, finding);
  } else {
    add_used_part(kept, words, finding);
  }
  if (words.kind != RetentionKind::stack) add_holders(model, kept, words, finding);
  const std::string to_read = format_bytes(static_cast<double>(look.to_read_bytes)) + " that may hold pointers";
  if (model.proof() && look.complete) {
    finding.evidence.push_back({"all-read", fmt::format("All {} were read as they were while nothing ran.", to_read)});
    return;
  }
  const double read =
      look.to_read_bytes > 0 ? static_cast<double>(look.read_bytes) / static_cast<double>(look.to_read_bytes) : 0;
  finding.evidence.push_back({look.complete ? "all-read" : "part-read",
                              fmt::format("{} searches; the last read {} of {}{}.", look.searches,
                                          look.complete ? std::string("all") : fmt::format("{:.0f} %", 100 * read),
                                          to_read, look.complete ? "" : ": other references may be in the rest")});
}

void judge(const model::Model& model, const SiteGrowth* site, const Kept& kept, Finding& finding) {
  finding.verdict = Verdict::suspected;
  finding.confidence = Confidence::medium;
  if (site != nullptr && site->call_site.trend == Trend::growing) {
    finding.trend = Trend::growing;
    finding.verdict = std::max(Verdict::suspected, site->call_site.verdict);
    finding.growth = site->call_site.growth_bytes;
    if (!site->history.empty())
      finding.evidence.push_back(
          {site->history_agrees ? "history-agrees" : "history-differs", "By size now, " + site->history + "."});
    return;
  }
  const Totals totals = totals_of(model, kept);
  const Growth growth = growth_of_objects(totals);
  finding.trend = growth.trend;
  if (growth.trend != Trend::growing) return;
  const double each = static_cast<double>(kept.bytes) / static_cast<double>(kept.objects);
  finding.growth = Rate{growth.rate.value * each, growth.rate.low * each, growth.rate.high * each};
  const auto& [first_ns, first_objects] = *totals.begin();
  judge_verdict(
      judge_history(model, first_ns, static_cast<double>(first_objects), growth.rate.value, "Their number grew"),
      finding);
  doubt_few_looks(totals.size(), finding);
}

Finding finding_of(const model::Model& model, const Judgements& judgements, const RetentionLook& look, const Kept& kept,
                   const RetentionWords& words) {
  Finding finding;
  finding.kind = words.name;
  finding.title = words.title;
  finding.count = kept.objects;
  finding.bytes = kept.bytes;
  finding.growth_unit = "bytes";
  add_evidence(model, look, kept, words, finding);
  const bool more =
      grown_by(model, kept) > 0 || model.retention().more_of(kept.groups.front().kind, kept.spare, kept.largest) > 0;
  const Origin origin = origin_of(model, judgements, kept, more);
  if (is_proved(model, look, kept)) {
    finding.verdict = Verdict::proved;
    finding.confidence = Confidence::high;
  } else {
    judge(model, origin.site, kept, finding);
  }
  if (!look.complete) finding.confidence = Confidence::low;
  finding.stack = origin.stack;
  const bool on_stack = words.kind == RetentionKind::stack;
  finding.where = on_stack ? holding_frame(model, kept) : first_of_program(finding.stack);
  if (origin.site != nullptr) finding.site_ids.push_back(origin.site->call_site.id);
  if (origin.of > 0)
    finding.evidence.push_back(
        {"allocated-here",
         fmt::format("{} of {} sampled allocations of their size were made here.", origin.samples, origin.of)});
  if (kept.of_one_size > 0)
    finding.evidence.push_back(
        {"line-by-size",
         fmt::format("{} of {} were sampled when they were made, on this line; the others are of the same "
                     "size, and no other line is known to make such.",
                     kept.objects - kept.of_one_size, kept.objects)});
  const auto user = first_of_program(model.symbols().frames(kept.groups.front().holder_used_at));
  if (!finding.where)
    finding.look_at =
        on_stack ? "what this goroutine's frames hold"
        : user   ? fmt::format("what {} ({}) keeps: where it was allocated is not known", user->function, place(*user))
                 : "what holds them: where they were allocated is not known";
  finding.advice = kept.spare ? words.spare_advice : words.advice;
  if (finding.verdict == Verdict::suspected)
    finding.not_known = on_stack ? "whether the list is worked off later, as a whole"
                                 : "whether the rest is used in a way that no pointer shows";
  name_resource_finding(model, words.prefix, finding);
  return finding;
}

}  // namespace

std::vector<Finding> find_retained(const model::Model& model, const Judgements& judgements,
                                   const RetentionWords& words) {
  const auto& look = model.retention().last();
  std::vector<Finding> findings;
  if (!look) return findings;
  for (Kept& kept : gather(model, *look, words.kind)) {
    std::ranges::stable_sort(kept.groups, std::greater{}, &RetainedGroup::bytes);
    const bool reserve = kept.spare && words.kind != RetentionKind::elements && !reserve_grows(model, kept);
    if (!matters(model, *look, kept) || reserve) continue;
    Finding finding = finding_of(model, judgements, *look, kept, words);
    // A list that does not grow may be what the function is about.
    if (words.kind != RetentionKind::stack || finding.trend == Trend::growing) findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace gotrace::detect
