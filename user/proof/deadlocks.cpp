#include "proof/deadlocks.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

namespace gotrace::proof {
namespace {

constexpr std::size_t kMostGoroutines = 4096;
constexpr std::size_t kMostObjects = 512;  // that are followed from one stack

class DeadlockSearch {
 public:
  DeadlockSearch(const Goroutines& goroutines, HeapGraph& graph, const std::vector<std::uint32_t>& proved)
      : goroutines_(goroutines), graph_(graph), proved_(proved), waits_for_(proved.size()) {
    for (std::uint32_t i = 0; i < proved.size(); ++i) {
      // Of a condition it is known that another waiter has it, not who could signal it.
      if (goroutines.all()[proved[i]].wait == goruntime::WaitClass::condition) continue;
      for (const ObjectRef object : awaited(i)) waiters_[graph.number(object)].push_back(i);
    }
  }

  // Who waits for what the stack of `holder` leads to.
  void follow(std::uint32_t holder, const std::vector<std::uint64_t>& pointers);
  // Numbers for groups of at least two that lead to each other.
  [[nodiscard]] std::vector<std::uint32_t> groups();

 private:
  [[nodiscard]] std::span<const ObjectRef> awaited(std::uint32_t index) const {
    return goroutines_.awaited(goroutines_.all()[proved_[index]]);
  }
  [[nodiscard]] bool waits_for_the_same(std::uint32_t a, std::uint64_t object) const {
    return std::ranges::any_of(awaited(a), [&](ObjectRef other) { return graph_.number(other) == object; });
  }
  // Tarjan's strongly connected components, with a stack of its own: chains of waiting goroutines may be long.
  void visit(std::uint32_t root);

  const Goroutines& goroutines_;
  HeapGraph& graph_;
  const std::vector<std::uint32_t>& proved_;
  std::unordered_map<std::uint64_t, std::vector<std::uint32_t>> waiters_;
  std::vector<std::vector<std::uint32_t>> waits_for_;
  struct Node {
    std::uint32_t order = 0;  // 0: not visited
    std::uint32_t lowest = 0;
    bool open = false;
  };
  std::vector<Node> nodes_;
  std::vector<std::uint32_t> open_, group_;
  std::uint32_t visited_ = 0;
  std::uint32_t group_count_ = 0;
};

void DeadlockSearch::follow(std::uint32_t holder, const std::vector<std::uint64_t>& pointers) {
  std::unordered_set<std::uint64_t> seen;
  std::vector<ObjectRef> pending;
  const auto reach = [&](std::uint64_t word) {
    const auto object = graph_.find(word);
    if (!object || seen.size() >= kMostObjects || !seen.insert(graph_.number(*object)).second) return;
    pending.push_back(*object);
    const auto found = waiters_.find(graph_.number(*object));
    if (found == waiters_.end() || waits_for_the_same(holder, found->first)) return;
    for (const std::uint32_t waiter : found->second) waits_for_[waiter].push_back(holder);
  };
  for (const std::uint64_t pointer : pointers) reach(pointer);
  while (!pending.empty()) {
    const ObjectRef object = pending.back();
    pending.pop_back();
    graph_.for_each_pointer(object, reach);
  }
}

void DeadlockSearch::visit(std::uint32_t root) {
  struct Call {
    std::uint32_t node;
    std::size_t next;
  };
  std::vector<Call> calls{{root, 0}};
  while (!calls.empty()) {
    auto& [node, next] = calls.back();
    if (next == 0) {
      nodes_[node] = {++visited_, visited_, true};
      open_.push_back(node);
    }
    if (next < waits_for_[node].size()) {
      const std::uint32_t other = waits_for_[node][next++];
      if (nodes_[other].order == 0) {
        calls.push_back({other, 0});
      } else if (nodes_[other].open) {
        nodes_[node].lowest = std::min(nodes_[node].lowest, nodes_[other].order);
      }
      continue;
    }
    if (nodes_[node].lowest == nodes_[node].order) {
      const auto first = std::ranges::find(open_, node);
      const bool several = open_.end() - first > 1;
      if (several) ++group_count_;
      for (auto at = first; at != open_.end(); ++at) {
        nodes_[*at].open = false;
        if (several) group_[*at] = group_count_;
      }
      open_.erase(first, open_.end());
    }
    const std::uint32_t lowest = nodes_[node].lowest;
    calls.pop_back();
    if (!calls.empty()) nodes_[calls.back().node].lowest = std::min(nodes_[calls.back().node].lowest, lowest);
  }
}

std::vector<std::uint32_t> DeadlockSearch::groups() {
  nodes_.assign(proved_.size(), {});
  group_.assign(proved_.size(), 0);
  for (std::uint32_t i = 0; i < proved_.size(); ++i)
    if (nodes_[i].order == 0) visit(i);
  return std::move(group_);
}

}  // namespace

std::vector<std::uint32_t> find_deadlocks(const Goroutines& goroutines, HeapGraph& graph,
                                          const std::vector<std::uint32_t>& proved,
                                          const std::function<std::vector<std::uint64_t>(const Goroutine&)>& pointers) {
  if (proved.size() > kMostGoroutines) return std::vector<std::uint32_t>(proved.size());
  DeadlockSearch search(goroutines, graph, proved);
  for (std::uint32_t i = 0; i < proved.size(); ++i) search.follow(i, pointers(goroutines.all()[proved[i]]));
  return search.groups();
}

}  // namespace gotrace::proof
