// Dominators: for each node of a graph the one node nearest to it that every way from the root passes. What a node
// dominates is what becomes unreachable without it.
//
// Semi-NCA (Georgiadis, "Linear-time algorithms for dominators and related problems", 2005): depth-first order,
// semidominators with path compression, then nearest common ancestors.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace gotrace::proof {

class Dominators {
 public:
  static constexpr std::uint32_t kNone = 0xffffffff;
  // Nodes are numbered from 0. `successors` must answer the same each time, by memory that stays.
  using Successors = std::function<std::span<const std::uint32_t>(std::uint32_t node)>;
  // Nodes from `first_late` on count, with what they lead to, for what nothing before them leads to: the root must name
  // them last.
  Dominators(std::uint32_t nodes, std::uint32_t root, std::uint32_t first_late, const Successors& successors);

  // False: it took too many steps (nobody's heap is like that by chance), and nothing is known.
  [[nodiscard]] bool complete() const { return complete_; }
  // Reached nodes are indexed in depth-first order, the root being 0. A dominator's index is less than that of what it
  // dominates.
  [[nodiscard]] std::uint32_t size() const { return static_cast<std::uint32_t>(order_.size()); }
  [[nodiscard]] std::uint32_t node(std::uint32_t index) const { return order_[index]; }
  [[nodiscard]] std::uint32_t index(std::uint32_t node) const { return index_[node]; }            // kNone: not reached
  [[nodiscard]] std::uint32_t dominator(std::uint32_t index) const { return dominator_[index]; }  // REQUIRES index > 0

  // What each dominates, itself included: sums of `own`, by index.
  template <typename T>
  [[nodiscard]] std::vector<T> sums(std::vector<T> own) const {
    for (std::uint32_t i = size(); i-- > 1;) own[dominator_[i]] += own[i];
    return own;
  }

 private:
  struct Reference {  // one that is not of the depth-first tree
    std::uint32_t from = 0;
    std::uint32_t next = kNone;  // to the same node
  };
  void order_nodes(std::uint32_t root, std::uint32_t first_late, const Successors& successors);
  void find_semidominators();
  [[nodiscard]] std::uint32_t lowest(std::uint32_t index, std::uint32_t linked);
  void find_dominators();

  struct Link {  // by index: what finding the semidominators walks along
    std::uint32_t ancestor = 0;
    std::uint32_t least = 0;  // semidominator from here up to, and without, the ancestor
  };
  std::vector<std::uint32_t> index_, order_, dominator_;
  // While it is computed:
  std::vector<Reference> references_;
  std::vector<std::uint32_t> first_;  // of references_, by index of the node that they lead to
  std::vector<Link> links_;
  std::vector<std::uint32_t> semi_, path_;
  bool complete_ = true;
};

}  // namespace gotrace::proof
