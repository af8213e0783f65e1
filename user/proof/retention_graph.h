// RetentionGraph: the objects of the heap and who holds them, as one graph with one root. Below the root are the roots
// as people know them (a package variable, the goroutines of one go statement, ...), below these single goroutines,
// then objects. Proved goroutines have a node of their own above them.
#pragma once

#include <cstdint>
#include <map>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "proof/dominators.h"
#include "proof/retention.h"
#include "proof/variables.h"

namespace gotrace::proof {

class RetentionGraph {
 public:
  // REQUIRES that `marker` kept references; it must outlive this.
  RetentionGraph(const Captured& captured, const Marker& marker, const Goroutines& goroutines,
                 const std::vector<bool>& live);

  // Objects come in the order in which they were marked; the others follow.
  [[nodiscard]] bool is_object(std::uint32_t node) const { return node < objects_; }
  [[nodiscard]] std::uint32_t nodes() const { return objects_ + static_cast<std::uint32_t>(made_.size()); }
  [[nodiscard]] std::uint32_t root() const { return objects_; }
  [[nodiscard]] std::uint32_t proved() const { return objects_ + 1; }
  [[nodiscard]] std::uint32_t first_late() const { return objects_ + first_late_; }
  [[nodiscard]] std::span<const std::uint32_t> successors(std::uint32_t node) const;

  // What people know a root as; nullptr: the node is none.
  [[nodiscard]] const Retainer* retainer(std::uint32_t node) const;
  // Where a way that begins at the node, which is no object, begins in the program.
  [[nodiscard]] Origin origin(std::uint32_t node) const;
  // The goroutine (an index) that the node stands for; kNone: none.
  [[nodiscard]] std::uint32_t goroutine(std::uint32_t node) const;

 private:
  static constexpr std::uint32_t kNone = Dominators::kNone;
  struct Made {
    std::uint32_t retainer = kNone;
    std::uint32_t goroutine = kNone;
  };
  [[nodiscard]] std::uint32_t make(std::uint32_t parent, Made made);
  [[nodiscard]] std::uint32_t make_root(std::uint32_t parent, Retainer retainer);
  [[nodiscard]] std::uint32_t node_of(const Origin& origin);
  [[nodiscard]] std::uint32_t node_of_goroutine(std::uint32_t index);
  void link_all(const Marker& marker);

  const References& references_;
  const Goroutines& goroutines_;
  const std::vector<bool>& live_;
  const Variables variables_;
  std::uint32_t objects_;
  std::uint32_t first_late_ = 0;
  std::vector<Made> made_;
  std::vector<Retainer> retainers_;
  struct Link {
    std::uint32_t from = 0;  // index of made_
    std::uint32_t to = 0;    // node
  };
  std::vector<Link> links_;
  std::vector<std::uint32_t> first_, to_;  // successors of those made
  std::unordered_map<Address, std::uint32_t> by_variable_;
  std::unordered_map<std::uint64_t, std::uint32_t> index_of_;  // goroutines by id
  std::map<std::tuple<Address, bool>, std::uint32_t> by_statement_;
  std::vector<std::uint32_t> by_goroutine_;
  std::map<RetainerKind, std::uint32_t> by_kind_;
};

}  // namespace gotrace::proof
