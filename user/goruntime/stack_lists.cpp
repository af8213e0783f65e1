#include "goruntime/stack_lists.h"

#include <algorithm>

#include "goruntime/goroutine_reader_batch.h"

namespace gotrace::goruntime {
namespace {

constexpr std::uint64_t kLeastNodes = 256;  // a list that is worth to be followed
constexpr std::size_t kMostLists = 64;
constexpr std::size_t kMostOfStack = 64;            // lists that one stack's words are tried for
constexpr std::uint64_t kStackBytes = 32ULL << 10;  // of each stack: its outermost frames, which live longest
constexpr std::uint64_t kNodesAtOnce = 4096;        // before the clock is asked
constexpr std::size_t kFounders = 8;
constexpr std::size_t kMostTried = 1U << 20;
constexpr std::uint32_t kLeastSearches = 2;
constexpr std::uint32_t kMostDoubts = 3;

}  // namespace

bool StackLists::is_kept(const StackList& one) {
  return one.searches >= kLeastSearches && one.doubts == 0 && one.survived && one.list.ended &&
         one.list.nodes > one.first_nodes;
}

std::vector<WatchedObject> StackLists::to_watch() const {
  std::vector<WatchedObject> watched;
  std::unordered_set<process::Address> known;  // a list may be a part of another one
  for (std::uint32_t i = 0; i < lists_.size(); ++i) {
    const StackList& one = lists_[i];
    const ListMember member{i, one.owner, one.list.node_size, one.list.next_at, one.anchor, one.anchor_size};
    const auto add = [&](process::Address base, ListMember::Part part) {
      watched.push_back({.base = base, .list = member});
      watched.back().list->part = part;
    };
    if (one.anchor != one.list.first) add(one.anchor, ListMember::Part::anchor);
    add(one.list.first, ListMember::Part::first);
    for (const process::Address node : one.list.sample)
      if (node != one.list.first && node != one.list.last && known.insert(node).second)
        add(node, ListMember::Part::node);
    // From the last node of such a list one gets back to all others.
    if (one.list.linked_back && known.insert(one.list.last).second) add(one.list.last, ListMember::Part::node);
  }
  return watched;
}

void StackLists::note(std::span<const WatchedObject> watched) {
  std::vector<bool> shared(lists_.size());
  std::vector<std::uint64_t> from_stack(lists_.size());
  for (const WatchedObject& object : watched) {
    if (!object.list || object.list->list >= lists_.size()) continue;
    const std::uint32_t i = object.list->list;
    shared[i] = shared[i] || object.shared;
    if (object.base == lists_[i].anchor) from_stack[i] = object.from_stack;
  }
  std::vector<StackList> rest;
  for (std::size_t i = 0; i < lists_.size(); ++i) {
    StackList& one = lists_[i];
    // What a running goroutine's stack had in its unused part, or a register now has, is gone the next time.
    const bool doubtful = shared[i] || from_stack[i] == 0;
    one.searches += doubtful ? 0 : 1;
    one.doubts = doubtful ? one.doubts + 1 : 0;
    if (one.doubts < kMostDoubts) rest.push_back(std::move(one));
  }
  lists_ = std::move(rest);
}

std::vector<StackLists::Stack> StackLists::read_goroutines() {
  std::vector<Stack> stacks;
  const auto all = read_allgs(program_);
  const GLayout layout(program_.layout());
  if (!all || !layout.why_unusable().empty()) return stacks;
  stacks.reserve(all->size());
  run_read_plan(program_.target().memory(), make_read_plan(*all, layout.size()), [&](std::uint32_t index, Bytes bytes) {
    const Stack stack{index, layout.decode(bytes)};
    const GView& view = stack.view;
    if (view.exists() && view.stack_lo < view.stack_hi && stack.begin() >= view.stack_lo &&
        stack.begin() < view.stack_hi)
      stacks.push_back(stack);
  });
  // Who has lived long may hold what is long.
  std::ranges::sort(stacks, {}, [](const Stack& stack) { return stack.view.goid; });
  return stacks;
}

void StackLists::look(const HeapSpans& spans, ObjectLookup& objects, bool search_new, std::uint64_t budget_ns) {
  if (lists_.empty() && !search_new) return;
  ListWalker walker(program_.target().memory(), spans, maps_);
  const std::uint64_t begin = thread_cpu_ns();
  follow(walker, objects, begin + budget_ns);
  const auto stacks = read_goroutines();
  find_frames(stacks);
  if (search_new) search(walker, objects, stacks, thread_cpu_ns() + budget_ns);
}

// Nodes that were there when the list was found are still there; `survived`: a GC since then has seen them.
bool StackLists::founders_live(const StackList& one, ObjectLookup& objects, bool& survived) {
  survived = !one.founders.empty();
  for (const process::Address node : one.founders) {
    const auto object = objects.find(node);
    if (!object) {  // its span is being swept
      survived = false;
      continue;
    }
    if (object->base != node || object->size != one.list.node_size || !object->allocated) return false;
    survived = survived && object->marked && object->heap_sweepgen != one.generation;
  }
  return true;
}

void StackLists::follow(ListWalker& walker, ObjectLookup& objects, std::uint64_t until_ns) {
  std::erase_if(lists_, [&](StackList& one) {
    bool survived = false;
    if (!founders_live(one, objects, survived)) return true;
    one.survived = one.survived || survived;
    do {
      if (!walker.extend(one.list, kNodesAtOnce)) return true;
    } while (!one.list.ended && thread_cpu_ns() < until_ns);
    // Growth is what came behind an end that was seen, not what had not been reached.
    if (one.list.ended && one.first_nodes == 0) one.first_nodes = one.list.nodes;
    return false;
  });
}

void StackLists::search(ListWalker& walker, ObjectLookup& objects, const std::vector<Stack>& stacks,
                        std::uint64_t until_ns) {
  tried_.clear();
  stacks_ = stacks.size();
  stacks_followed_ = 0;
  const auto generation = objects.heap_sweepgen();
  if (!generation) return;
  for (const Stack& stack : stacks) {
    if (thread_cpu_ns() >= until_ns || lists_.size() >= kMostLists || tried_.size() >= kMostTried) return;
    search_stack(walker, stack, *generation);
    ++stacks_followed_;
  }
}

void StackLists::search_stack(ListWalker& walker, const Stack& stack, std::uint32_t generation) {
  const process::Address begin =
      std::max(stack.begin(), stack.view.stack_hi - std::min(stack.view.stack_hi - stack.view.stack_lo, kStackBytes)) &
      ~7ULL;
  const auto bytes = program_.target().memory().block(begin, stack.view.stack_hi - begin);
  if (!bytes) return;
  std::size_t found = 0;
  // From the outermost frame on: what lives longest is found first.
  for (std::uint64_t at = bytes->size() / 8 * 8; at >= 8 && found < kMostOfStack; at -= 8) {
    const auto object = walker.object_at(load_or_zero<std::uint64_t>(*bytes, at - 8));
    if (!object || !tried_.insert(object->base).second) continue;
    const bool known = std::ranges::any_of(lists_, [&](const StackList& one) { return one.anchor == object->base; });
    auto list = known ? std::nullopt : walker.find(object->base, kLeastNodes);
    if (!list || lists_.size() >= kMostLists) continue;
    ++found;
    StackList one{.owner = stack.owner, .goid = stack.view.goid, .anchor = object->base, .anchor_size = object->size};
    one.list = std::move(*list);
    one.generation = generation;
    one.founders = one.list.sample;
    if (one.founders.size() > kFounders) one.founders.resize(kFounders);
    lists_.push_back(std::move(one));
    find_frame(lists_.back(), stack);
  }
}

void StackLists::find_frames(const std::vector<Stack>& stacks) {
  for (StackList& one : lists_) {
    const auto stack =
        std::ranges::find_if(stacks, [&](const Stack& s) { return s.owner == one.owner && s.view.goid == one.goid; });
    if (stack != stacks.end()) find_frame(one, *stack);
  }
}

// The outermost frame that holds it: what it called may have it as an argument.
void StackLists::find_frame(StackList& one, const Stack& stack) {
  const GView& view = stack.view;
  if (!view.has_still_stack() || view.depth() > kStackBytes) return;
  const auto bytes = program_.target().memory().block(view.sp, view.depth());
  if (!bytes) return;
  UnwoundStack frames;
  const StackWindow window(view.sp, *bytes, view.stack_hi, nullptr);
  (void)unwinder_.unwind(view.pc, view.sp, view.bp, window, frames);
  process::Address begin = view.sp;  // of a frame
  for (std::size_t i = 0; i < frames.count && frames.ends[i] != 0; ++i) {
    const std::uint64_t pc = frames.pcs[i] - (i == 0 && frames.first_is_exact ? 0 : 1) - program_.load_bias();
    const process::Address end = std::min(frames.ends[i] + program_.functions().argument_bytes(pc), view.stack_hi);
    for (process::Address at = begin; at + 8 <= end; at += 8) {
      if (window.word(at).value_or(0) - one.anchor >= one.anchor_size) continue;
      one.pc = frames.pcs[i];
      one.pc_is_exact = i == 0 && frames.first_is_exact;
    }
    begin = end;
  }
}

}  // namespace gotrace::goruntime
