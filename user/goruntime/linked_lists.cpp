#include "goruntime/linked_lists.h"

namespace gotrace::goruntime {
namespace {

constexpr std::size_t kPages = 512;  // that are kept
constexpr std::uint64_t kPageBytes = 4096;
constexpr std::size_t kMostPointers = 16;  // of one object, that are tried

}  // namespace

ListWalker::ListWalker(process::RemoteMemory& memory, const HeapSpans& spans, PointerMaps& maps)
    : memory_(memory), spans_(spans), maps_(maps), pages_(kPages) {}

ListWalker::Page& ListWalker::page_of(process::Address address) {
  const process::Address begin = address / kPageBytes * kPageBytes;
  Page& page = pages_[static_cast<std::size_t>((address / kPageBytes) % kPages)];
  if (page.begin != begin) {
    page.begin = begin;
    page.readable = memory_.read(begin, page.bytes);
    page.order = ++reads_;
  }
  return page;
}

std::uint64_t ListWalker::word(process::Address address) {
  const Page& page = page_of(address);
  return page.readable ? load_or_zero<std::uint64_t>(page.bytes, address - page.begin) : 0;
}

const SpanView* ListWalker::span_of(process::Address address) {
  if (recent_ == nullptr || address < recent_->base || address >= recent_->limit) recent_ = spans_.find(address);
  return recent_;
}

std::optional<ListWalker::SmallObject> ListWalker::object_at(process::Address address) {
  const SpanView* span = span_of(address);
  if (span == nullptr || span->noscan() || span->element_size > kLargestNode || span->element_size < 16)
    return std::nullopt;
  const auto slot = slot_of(*span, address);
  return slot ? std::optional(SmallObject{span->base + *slot * span->element_size, span->element_size}) : std::nullopt;
}

// 0: there is none. Nodes point to the start of nodes. Where the next one's page was read before the pointer to it, the
// node may be younger than that: what an object before it had there would lead astray.
process::Address ListWalker::next_node(process::Address node, std::uint64_t size, std::uint64_t next_at) {
  const std::uint64_t order = page_of(node + next_at).order;
  const process::Address next = word(node + next_at);
  const auto object = next != 0 ? object_at(next) : std::nullopt;
  if (!object || object->base != next || object->size != size) return 0;
  Page& page = page_of(next + next_at);
  if (page.order < order) page.begin = 0;  // to be read again
  return next;
}

std::vector<std::uint64_t> ListWalker::pointers_of(process::Address object) {
  std::vector<std::uint64_t> places;
  const SpanView* span = span_of(object);
  const auto words = span != nullptr ? maps_.words(*span, object, 0, span->element_size / 8) : std::nullopt;
  for (std::size_t i = 0; words && i < words->size() && places.size() < kMostPointers; ++i)
    if ((*words)[i]) places.push_back(8 * i);
  return places;
}

std::optional<LinkedList> ListWalker::longest_from(process::Address node, std::uint64_t least_nodes) {
  const auto object = object_at(node);
  if (!object || object->base != node) return std::nullopt;
  std::optional<LinkedList> longest;
  for (const std::uint64_t next_at : pointers_of(node)) {
    const process::Address second = next_node(node, object->size, next_at);
    if (second == 0 || second == node) continue;
    LinkedList list{.first = node, .second = second, .node_size = object->size, .next_at = next_at, .nodes = 1};
    list.last = node;
    list.sample.push_back(node);
    if (!extend(list, least_nodes) || list.nodes < least_nodes) continue;
    for (std::uint64_t at = 0; at + 8 <= list.node_size; at += 8)
      list.linked_back = list.linked_back || word(second + at) == node;
    if (!longest || list.nodes > longest->nodes) longest = std::move(list);
  }
  return longest;
}

std::optional<LinkedList> ListWalker::find(process::Address object, std::uint64_t least_nodes) {
  if (auto list = longest_from(object, least_nodes)) return list;
  for (const std::uint64_t place : pointers_of(object)) {
    const process::Address pointer = word(object + place);
    if (pointer == object) continue;
    if (auto list = longest_from(pointer, least_nodes)) return list;
  }
  return std::nullopt;
}

bool ListWalker::extend(LinkedList& list, std::uint64_t most) {
  if (word(list.first + list.next_at) != list.second) return false;
  process::Address mark = list.last;  // a ring comes back to it (Brent)
  std::uint64_t until_mark = 64;
  list.ended = false;
  for (std::uint64_t i = 0; i < most; ++i) {
    const process::Address next = next_node(list.last, list.node_size, list.next_at);
    if (next == 0) {
      list.ended = true;
      return true;
    }
    if (next == mark || next == list.first) return false;
    if (i == until_mark) {
      mark = next;
      until_mark *= 2;
    }
    list.last = next;
    if (list.nodes++ % list.stride != 0) continue;
    list.sample.push_back(next);
    if (list.sample.size() <= kMostSample) continue;
    for (std::size_t kept = 0; 2 * kept < list.sample.size(); ++kept) list.sample[kept] = list.sample[2 * kept];
    list.sample.resize((list.sample.size() + 1) / 2);
    list.stride *= 2;
  }
  return true;
}

}  // namespace gotrace::goruntime
