#include "proof/dominators.h"

#include <catch2/catch.hpp>
#include <random>
#include <vector>

namespace gotrace::proof {
namespace {

using Graph = std::vector<std::vector<std::uint32_t>>;

// What the root, node 0, reaches when `without` is not there.
std::vector<bool> reached(const Graph& graph, std::uint32_t without) {
  std::vector<bool> seen(graph.size());
  if (without == 0) return seen;
  std::vector<std::uint32_t> pending{0};
  seen[0] = true;
  while (!pending.empty()) {
    const std::uint32_t node = pending.back();
    pending.pop_back();
    for (const std::uint32_t next : graph[node]) {
      if (next == without || seen[next]) continue;
      seen[next] = true;
      pending.push_back(next);
    }
  }
  return seen;
}

Dominators dominators_of(const Graph& graph, std::uint32_t first_late = Dominators::kNone) {
  const auto successors = [&graph](std::uint32_t node) { return std::span<const std::uint32_t>(graph[node]); };
  return {static_cast<std::uint32_t>(graph.size()), 0, first_late, successors};
}

// Each retains what is unreachable without it.
void check_against_search(const Graph& graph) {
  const Dominators tree = dominators_of(graph);
  REQUIRE(tree.complete());
  const auto all = reached(graph, Dominators::kNone);
  const auto retained = tree.sums(std::vector<std::uint64_t>(tree.size(), 1));
  REQUIRE(retained[0] == tree.size());
  for (std::uint32_t node = 0; node < graph.size(); ++node) {
    REQUIRE((tree.index(node) != Dominators::kNone) == all[node]);
    if (!all[node]) continue;
    const auto left = reached(graph, node);
    std::uint64_t lost = 0;
    for (std::uint32_t other = 0; other < graph.size(); ++other) {
      if (!all[other] || left[other]) continue;
      ++lost;
      std::uint32_t above = tree.index(other);  // dominated by `node`
      while (above > tree.index(node)) above = tree.dominator(above);
      REQUIRE(above == tree.index(node));
    }
    REQUIRE(retained[tree.index(node)] == lost);
  }
}

}  // namespace

TEST_CASE("what a node dominates is what is unreachable without it: random graphs") {
  std::mt19937 random(7);  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same graphs each time
  for (int round = 0; round < 400; ++round) {
    Graph graph(2 + random() % 60);
    const auto node = [&] { return static_cast<std::uint32_t>(random() % graph.size()); };
    const auto edges = random() % (3 * graph.size());
    for (std::size_t i = 0; i < edges; ++i) graph[node()].push_back(node());
    for (std::size_t i = 0; i < graph.size() / 4; ++i) graph[0].push_back(node());
    check_against_search(graph);
  }
}

TEST_CASE("dominators of chains whose members are reached from elsewhere, too") {
  Graph graph(200);
  for (std::uint32_t i = 1; i < 100; ++i) {
    graph[i].push_back(i + 1);      // a list
    graph[i + 1].push_back(i);      // both ways
    graph[150].push_back(100 - i);  // and a slice of its members
  }
  graph[0] = {1, 150};
  check_against_search(graph);
  graph[0] = {150};
  check_against_search(graph);
}

TEST_CASE("a long list takes no recursion, and each of its nodes retains the rest") {
  constexpr std::uint32_t kNodes = 2'000'000;
  std::vector<std::uint32_t> next(kNodes);
  for (std::uint32_t i = 0; i < kNodes; ++i) next[i] = i + 1;
  const Dominators tree(kNodes, 0, Dominators::kNone, [&next](std::uint32_t node) {
    return node + 1 < next.size() ? std::span<const std::uint32_t>(&next[node], 1) : std::span<const std::uint32_t>();
  });
  REQUIRE(tree.complete());
  const auto retained = tree.sums(std::vector<std::uint64_t>(kNodes, 8));
  CHECK(retained[0] == 8ULL * kNodes);
  CHECK(retained[kNodes - 10] == 80);
}

TEST_CASE("a late node counts for what nothing else leads to") {
  // 0 -> 1 -> 2 -> 3; late: 0 -> 6 -> 2, 4; 0 -> 7 -> 5; and beyond the late ones 4 -> 3, 5 -> 4
  const Graph graph{{1, 6, 7}, {2}, {3}, {}, {3}, {4}, {2, 4}, {5}};
  const Dominators tree = dominators_of(graph, 6);
  const auto retained = tree.sums(std::vector<std::uint64_t>(tree.size(), 1));
  CHECK(retained[tree.index(1)] == 3);
  CHECK(retained[tree.index(6)] == 2);
  CHECK(retained[tree.index(7)] == 2);
  const Dominators plain = dominators_of(graph);
  CHECK(plain.sums(std::vector<std::uint64_t>(plain.size(), 1))[plain.index(1)] == 1);
}

}  // namespace gotrace::proof
