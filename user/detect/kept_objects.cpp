#include "detect/kept_objects.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <span>
#include <string>

#include "detect/frames.h"

namespace gotrace::detect {
namespace {

// As the heap's call sites have it: without the runtime's own frames.
std::vector<Frame> without_runtime(std::vector<Frame> frames) {
  const auto first = std::ranges::find_if_not(frames, of_runtime);
  frames.erase(frames.begin(), first);
  return frames;
}

void add(const Kept& other, Kept& kept) {
  kept.objects += other.objects;
  kept.bytes += other.bytes;
  kept.used += other.used;
  kept.references += other.references;
  kept.pointers += other.pointers;
  kept.unused_pointers += other.unused_pointers;
  kept.smallest = std::min(kept.smallest, other.smallest);
  kept.largest = std::max(kept.largest, other.largest);
  if (kept.stack.empty()) kept.stack = other.stack;
  kept.groups.insert(kept.groups.end(), other.groups.begin(), other.groups.end());
}

bool of_same_sizes(const Kept& a, const Kept& b) {
  return a.spare == b.spare && a.smallest == b.smallest && a.largest == b.largest;
}

// One cause is one finding: where objects of a size were sampled when they were made, all at one line, the others of
// that size are taken for its own.
void join_by_size(std::vector<Kept>& all) {
  const auto unknown =
      std::stable_partition(all.begin(), all.end(), [](const Kept& kept) { return !kept.stack.empty(); });
  const std::span<Kept> known(all.begin(), unknown);
  std::vector<Kept> rest;
  for (Kept& kept : std::span<Kept>(unknown, all.end())) {
    const auto alike = [&kept](const Kept& line) { return of_same_sizes(line, kept); };
    if (std::ranges::count_if(known, alike) != 1) {
      rest.push_back(std::move(kept));
      continue;
    }
    Kept& line = *std::ranges::find_if(known, alike);
    line.of_one_size += kept.objects;
    add(kept, line);
  }
  all.erase(unknown, all.end());
  std::ranges::move(rest, std::back_inserter(all));
}

Kept of_group(const RetainedGroup& group, std::vector<Frame> stack) {
  Kept kept;
  kept.groups = {group};
  kept.stack = std::move(stack);
  kept.objects = group.objects;
  kept.bytes = group.bytes;
  kept.used = group.used_bytes;
  kept.references = group.references;
  kept.smallest = group.smallest;
  kept.largest = group.largest;
  kept.pointers = group.pointers;
  kept.unused_pointers = group.unused_pointers;
  kept.spare = group.spare;
  return kept;
}

}  // namespace

std::vector<Kept> gather(const model::Model& model, const RetentionLook& look, RetentionKind kind) {
  std::map<std::string, Kept> places;
  for (const RetainedGroup& group : look.groups) {
    if (group.kind != kind || group.objects == 0) continue;
    auto stack = without_runtime(model.symbols().expand(group.allocated_at));
    const auto own = first_of_program(stack);
    std::string where = own ? fmt::format("{}\n{}", own->file, own->line) : fmt::format("{}", group.largest);
    if (kind == RetentionKind::stack) where = fmt::format("{}\n{}", group.holder, group.largest);
    Kept& kept = places[(group.spare ? "spare\n" : "") + where];
    Kept one = of_group(group, std::move(stack));
    if (kept.objects == 0) {
      kept = std::move(one);
    } else {
      add(one, kept);
    }
  }
  std::vector<Kept> all;
  for (auto& [where, kept] : places) all.push_back(std::move(kept));
  if (kind != RetentionKind::stack) join_by_size(all);
  return all;
}

}  // namespace gotrace::detect
