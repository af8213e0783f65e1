#include "proof/retention.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <unordered_map>

#include "base/units.h"
#include "goruntime/goroutine_reader_batch.h"
#include "goruntime/type_names.h"
#include "proof/dominators.h"
#include "proof/memory_need.h"
#include "proof/retention_graph.h"

namespace gotrace::proof {
namespace {

constexpr std::uint32_t kNone = Dominators::kNone;
constexpr std::size_t kMostTold = 16;         // retainers, and types
constexpr std::size_t kMostAnswers = 3;       // objects of a type that was asked for
constexpr int kMostSteps = 8;                 // down to where the memory spreads out
constexpr std::uint64_t kBytesAnObject = 85;  // of ours (measured: 19.2 million objects of 57 bytes each)

std::optional<Address> address_in(const std::string& text) {
  if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;
  const int base = text.starts_with("0x") || text.starts_with("0X") ? 16 : 10;
  const char* begin = text.data() + (base == 16 ? 2 : 0);
  const char* end = text.data() + text.size();
  Address address = 0;
  const auto [after, error] = std::from_chars(begin, end, address, base);
  return error == std::errc() && after == end ? std::optional(address) : std::nullopt;
}

class Search {
 public:
  Search(const Captured& captured, const HeapGraph& graph, const Marker& marker, const Goroutines& goroutines,
         const std::vector<bool>& live, const FrameOf& frame_of)
      : captured_(captured),
        graph_(graph),
        marker_(marker),
        goroutines_(goroutines),
        frame_of_(frame_of),
        nodes_(captured, marker, goroutines, live),
        tree_(nodes_.nodes(), nodes_.root(), nodes_.first_late(),
              [this](std::uint32_t node) { return nodes_.successors(node); }) {}

  [[nodiscard]] Retention run(const RetentionWish& wish);

 private:
  struct Kind {  // of objects: a type, or a size where the type is not known
    Address type = 0;
    std::uint64_t size = 0;
    bool pointers = true;
    friend auto operator<=>(const Kind&, const Kind&) = default;
  };
  struct Sum {  // of the objects of a kind that no other one of the kind dominates
    std::uint64_t instances = 0;
    std::uint64_t bytes = 0;
    std::uint64_t objects = 0;
    std::uint32_t largest = kNone;  // index
  };
  void weigh();
  [[nodiscard]] std::uint32_t kind_number(const Kind& kind);
  void link_children();
  void find_ways();
  [[nodiscard]] Way way_to(std::uint32_t index) const;
  template <typename Visit>
  void for_each_child(std::uint32_t index, Visit&& visit) const {
    for (std::uint32_t child = first_child_[index]; child != kNone; child = next_child_[child]) visit(child);
  }
  void add(Sum& sum, std::uint32_t index) const;
  [[nodiscard]] std::uint32_t heaviest_child(std::uint32_t index) const;
  [[nodiscard]] ObjectRef object(std::uint32_t index) const { return marker_.object(tree_.node(index)); }
  [[nodiscard]] Step step(std::uint32_t index) const;
  void find_retainers(std::uint32_t below, bool proved, std::vector<Retainer>& into) const;
  [[nodiscard]] Retainer root(std::uint32_t index) const;
  void describe_goroutine(std::uint32_t index, Retainer& into) const;
  [[nodiscard]] Way way_down(std::uint32_t index) const;
  [[nodiscard]] std::vector<Sum> sum_kinds() const;
  [[nodiscard]] RetainedType type_of(std::uint32_t kind, const Sum& sum) const;
  void find_types(Retention& into) const;
  [[nodiscard]] RetainedType answer(std::uint32_t index) const;
  void answer_address(Address address, Retention& into) const;
  void answer_type(const std::string& name, Retention& into) const;

  const Captured& captured_;
  const HeapGraph& graph_;
  const Marker& marker_;
  const Goroutines& goroutines_;
  const FrameOf& frame_of_;
  RetentionGraph nodes_;
  Dominators tree_;
  std::vector<std::uint64_t> bytes_;    // by index, as those below: retained
  std::vector<std::uint32_t> objects_;  // likewise
  std::vector<std::uint32_t> kind_of_;  // index of kinds_
  std::vector<std::uint32_t> first_child_, next_child_;
  std::vector<std::uint32_t> before_;  // on one of the shortest ways from the root
  std::vector<Kind> kinds_;
  std::map<Kind, std::uint32_t> kind_numbers_;
};

std::uint32_t Search::kind_number(const Kind& kind) {
  const auto [known, fresh] = kind_numbers_.try_emplace(kind, static_cast<std::uint32_t>(kinds_.size()));
  if (fresh) kinds_.push_back(kind);
  return known->second;
}

// Span by span: what holds for all of its objects is looked up once.
void Search::weigh() {
  std::vector<std::uint64_t> bytes(tree_.size());
  std::vector<std::uint32_t> objects(tree_.size());
  kind_of_.assign(tree_.size(), kNone);
  for (ObjectRef object; object.span < graph_.spans(); ++object.span) {
    object.slot = 0;
    const std::uint64_t size = graph_.size(object);
    const std::uint32_t first = graph_.number(object);
    std::pair<Address, std::uint32_t> recent{0, kind_number({0, size, graph_.has_pointers(object)})};
    for (; object.slot < graph_.slots_of(object.span); ++object.slot) {
      const std::uint32_t order = marker_.order_of(first + object.slot);
      const std::uint32_t index = order == kNone ? kNone : tree_.index(order);
      if (index == kNone) continue;
      bytes[index] = size;
      objects[index] = 1;
      const Address type = graph_.type(object);
      if (type != recent.first) recent = {type, kind_number(type != 0 ? Kind{type} : Kind{0, size, true})};
      kind_of_[index] = recent.second;
    }
  }
  bytes_ = tree_.sums(std::move(bytes));
  objects_ = tree_.sums(std::move(objects));
}

void Search::link_children() {
  first_child_.assign(tree_.size(), kNone);
  next_child_.assign(tree_.size(), kNone);
  for (std::uint32_t i = tree_.size(); i-- > 1;) next_child_[i] = std::exchange(first_child_[tree_.dominator(i)], i);
}

// Breadth first, as the marker does; but what counts for nothing else only comes last, however short its ways are.
void Search::find_ways() {
  before_.assign(tree_.size(), kNone);
  std::vector<std::uint32_t> order{0};
  std::vector<std::uint32_t> late;
  order.reserve(tree_.size());
  before_[0] = 0;
  for (std::size_t at = 0; at < order.size(); ++at) {
    const std::uint32_t from = order[at];
    for (const std::uint32_t node : nodes_.successors(tree_.node(from))) {
      const std::uint32_t index = tree_.index(node);
      if (before_[index] != kNone) continue;
      before_[index] = from;
      (nodes_.is_object(node) || node < nodes_.first_late() ? order : late).push_back(index);
    }
    if (at + 1 < order.size()) continue;
    order.insert(order.end(), late.begin(), late.end());
    late.clear();
  }
}

Way Search::way_to(std::uint32_t index) const {
  Way way;
  for (; nodes_.is_object(tree_.node(index)); index = before_[index]) way.steps.push_back(step(index));
  way.origin = nodes_.origin(tree_.node(index));
  return way;
}

void Search::add(Sum& sum, std::uint32_t index) const {
  ++sum.instances;
  sum.bytes += bytes_[index];
  sum.objects += objects_[index];
  if (sum.largest == kNone || bytes_[index] > bytes_[sum.largest]) sum.largest = index;
}

std::uint32_t Search::heaviest_child(std::uint32_t index) const {
  std::uint32_t heaviest = kNone;
  for_each_child(index, [&](std::uint32_t child) {
    if (heaviest == kNone || bytes_[child] > bytes_[heaviest]) heaviest = child;
  });
  return heaviest;
}

Step Search::step(std::uint32_t index) const {
  const ObjectRef found = object(index);
  return {graph_.address(found), graph_.size(found), graph_.type(found)};
}

// To the object below which no single one retains half of the rest.
Way Search::way_down(std::uint32_t index) const {
  std::uint32_t reached = kNone;
  for (int steps = 0; steps < kMostSteps; ++steps) {
    const std::uint32_t next = heaviest_child(index);
    if (next == kNone || bytes_[next] < bytes_[index] / 2) break;
    index = next;
    if (nodes_.is_object(tree_.node(index))) reached = index;
  }
  return reached == kNone ? Way{} : way_to(reached);
}

void Search::describe_goroutine(std::uint32_t index, Retainer& into) const {
  const std::uint32_t heaviest = heaviest_child(index);
  const std::uint32_t goroutine = heaviest == kNone ? kNone : nodes_.goroutine(tree_.node(heaviest));
  if (goroutine == kNone) return;
  into.goid = goroutines_.all()[goroutine].goid;
  const std::uint32_t held = heaviest_child(heaviest);
  if (held != kNone && nodes_.is_object(tree_.node(held))) into.held_pc = frame_of_(goroutine, object(held));
}

Retainer Search::root(std::uint32_t index) const {
  Retainer retainer = *nodes_.retainer(tree_.node(index));
  retainer.bytes = bytes_[index];
  retainer.objects = objects_[index];
  return retainer;
}

// The roots below a node, and what several of them share.
void Search::find_retainers(std::uint32_t below, bool proved, std::vector<Retainer>& into) const {
  std::map<std::uint32_t, Sum> shared;  // by kind
  std::vector<std::uint32_t> roots;
  for_each_child(below, [&](std::uint32_t child) {
    const std::uint32_t node = tree_.node(child);
    if (nodes_.is_object(node)) {
      add(shared[kind_of_[child]], child);
    } else if (nodes_.retainer(node) != nullptr) {
      roots.push_back(child);
    }
  });
  const std::size_t most = std::min(kMostTold, roots.size());
  std::ranges::partial_sort(roots, roots.begin() + static_cast<std::ptrdiff_t>(most), std::greater(),
                            [this](std::uint32_t index) { return bytes_[index]; });
  for (std::size_t i = 0; i < most; ++i) {
    Retainer retainer = root(roots[i]);
    if (retainer.kind == RetainerKind::goroutines) describe_goroutine(roots[i], retainer);
    retainer.way = way_down(roots[i]);
    into.push_back(std::move(retainer));
  }
  for (const auto& [kind, sum] : shared) {
    Retainer retainer{.kind = RetainerKind::shared, .proved = proved};
    retainer.object = step(sum.largest);
    retainer.pointers = kinds_[kind].pointers;
    retainer.instances = sum.instances;
    retainer.bytes = sum.bytes;
    retainer.objects = sum.objects;
    retainer.way = way_to(sum.largest);
    into.push_back(std::move(retainer));
  }
}

// In depth-first order over the tree, with a count of the kinds above.
std::vector<Search::Sum> Search::sum_kinds() const {
  std::vector<Sum> sums(kinds_.size());
  std::vector<std::uint32_t> above(kinds_.size());
  std::uint32_t index = 0;
  for (;;) {
    const std::uint32_t kind = kind_of_[index];
    if (kind != kNone && above[kind]++ == 0) add(sums[kind], index);
    if (first_child_[index] != kNone) {
      index = first_child_[index];
      continue;
    }
    for (;; index = tree_.dominator(index)) {
      if (kind_of_[index] != kNone) --above[kind_of_[index]];
      if (index == 0) return sums;
      if (next_child_[index] != kNone) break;
    }
    index = next_child_[index];
  }
}

RetainedType Search::type_of(std::uint32_t kind, const Sum& sum) const {
  RetainedType type{.object = step(sum.largest), .pointers = kinds_[kind].pointers};
  type.instances = sum.instances;
  type.bytes = sum.bytes;
  type.objects = sum.objects;
  type.way = way_to(sum.largest);
  return type;
}

void Search::find_types(Retention& into) const {
  const auto sums = sum_kinds();
  std::vector<std::uint32_t> order;
  for (std::uint32_t kind = 0; kind < sums.size(); ++kind)
    if (sums[kind].instances > 0) order.push_back(kind);
  const std::size_t most = std::min(kMostTold, order.size());
  std::ranges::partial_sort(order, order.begin() + static_cast<std::ptrdiff_t>(most), std::greater(),
                            [&sums](std::uint32_t kind) { return sums[kind].bytes; });
  for (std::size_t i = 0; i < most; ++i) into.types.push_back(type_of(order[i], sums[order[i]]));
}

RetainedType Search::answer(std::uint32_t index) const {
  Sum sum;
  add(sum, index);
  return type_of(kind_of_[index], sum);
}

void Search::answer_address(Address address, Retention& into) const {
  const auto object = graph_.find(address);
  if (!object) {
    into.why_not = graph_.covers(address) ? "the heap holds no object there: it was freed, or never used"
                                          : "no object of the Go heap is there";
    return;
  }
  const std::uint32_t order = marker_.order_of(*object);
  const std::uint32_t index = order == kNone ? kNone : tree_.index(order);
  if (index == kNone) {
    into.why_not = "nothing leads to the object there: it is garbage, and the next collection frees it";
    return;
  }
  into.answers.push_back(answer(index));
}

void Search::answer_type(const std::string& name, Retention& into) const {
  std::vector<bool> wanted(kinds_.size());
  bool any_type = false;
  for (std::size_t kind = 0; kind < kinds_.size(); ++kind) {
    any_type = any_type || kinds_[kind].type != 0;
    wanted[kind] = kinds_[kind].type != 0 && goruntime::type_name(*captured_.program, kinds_[kind].type) == name;
  }
  std::vector<std::uint32_t> found;
  for (std::uint32_t i = 0; i < tree_.size(); ++i)
    if (kind_of_[i] != kNone && wanted[kind_of_[i]]) found.push_back(i);
  if (found.empty()) {
    into.why_not = any_type
                       ? "no object of that type is reachable, of those whose types are known: above 512 bytes and "
                         "with pointers; name a type as the report does (main.session), or an address"
                       : "no type of an object is known: the runtime notes them from Go 1.22 on; name an address";
    return;
  }
  const std::size_t most = std::min(kMostAnswers, found.size());
  std::ranges::partial_sort(found, found.begin() + static_cast<std::ptrdiff_t>(most), std::greater(),
                            [this](std::uint32_t index) { return bytes_[index]; });
  for (std::size_t i = 0; i < most; ++i) into.answers.push_back(answer(found[i]));
}

Retention Search::run(const RetentionWish& wish) {
  Retention retention;
  if (!tree_.complete()) {
    retention.off = "its objects refer to each other in too intricate a way";
    return retention;
  }
  weigh();
  link_children();
  find_ways();
  retention.bytes = bytes_[0];
  retention.objects = objects_[0];
  find_retainers(0, false, retention.retainers);
  find_retainers(tree_.index(nodes_.proved()), true, retention.retainers);
  std::ranges::stable_sort(retention.retainers, std::greater(), &Retainer::bytes);
  std::erase_if(retention.retainers, [](const Retainer& retainer) { return retainer.bytes == 0; });
  if (retention.retainers.size() > kMostTold) retention.retainers.resize(kMostTold);
  find_types(retention);
  if (wish.why.empty()) return retention;
  if (const auto address = address_in(wish.why)) {
    answer_address(*address, retention);
  } else {
    answer_type(wish.why, retention);
  }
  return retention;
}

std::string why_too_large(const Marker& marker) {
  if (marker.objects() > kMostObjects)
    return fmt::format("it has {} objects, and room is made for {}", format_count(marker.objects()),
                       format_count(kMostObjects));
  if (!marker.references()->complete())
    return fmt::format("its objects have more than {} references, for which room is made",
                       format_count(kMostReferences));
  return why_no_memory(marker.objects() * kBytesAnObject);
}

}  // namespace

Retention find_retention(const Captured& captured, const HeapGraph& graph, const Marker& marker,
                         const Goroutines& goroutines, const std::vector<bool>& live, const FrameOf& frame_of,
                         const RetentionWish& wish) {
  const std::uint64_t begin = goruntime::monotonic_ns();
  Retention retention;
  retention.off = why_too_large(marker);
  if (retention.off.empty()) retention = Search(captured, graph, marker, goroutines, live, frame_of).run(wish);
  retention.references = marker.references()->size();
  retention.ns = goruntime::monotonic_ns() - begin;
  return retention;
}

}  // namespace gotrace::proof
