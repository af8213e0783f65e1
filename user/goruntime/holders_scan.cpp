#include "goruntime/holders_scan.h"

#include <algorithm>
#include <iterator>
#include <numeric>

#include "goruntime/heap_spans.h"

namespace gotrace::goruntime {
namespace {

constexpr std::uint64_t kPiece = 1ULL << 20;  // what is read at once
constexpr std::size_t kPiecesPerBatch = 4;

class Index {  // which objects an address lies in
 public:
  explicit Index(std::span<const SearchedObject> objects) : objects_(objects), order_(objects.size()) {
    std::iota(order_.begin(), order_.end(), 0U);
    std::ranges::sort(order_, {}, [&](std::uint32_t i) { return objects_[i].begin; });
    for (const auto& object : objects_) {
      largest_ = std::max(largest_, object.size);
      lowest_ = std::min(lowest_, object.begin);
      highest_ = std::max(highest_, object.begin + object.size);
    }
  }
  [[nodiscard]] bool may_hold(std::uint64_t word) const { return word >= lowest_ && word < highest_; }
  template <typename Visit>
  void each(std::uint64_t word, const Visit& visit) const {
    const auto begin_of = [this](std::uint32_t i) { return objects_[i].begin; };
    auto it = std::ranges::upper_bound(order_, word, {}, begin_of);
    while (it != order_.begin()) {
      --it;
      const SearchedObject& object = objects_[*it];
      if (word - object.begin < object.size) visit(*it);
      if (word - object.begin >= largest_) break;
    }
  }

 private:
  std::span<const SearchedObject> objects_;
  std::vector<std::uint32_t> order_;
  std::uint64_t largest_ = 0;
  process::Address lowest_ = ~0ULL;
  process::Address highest_ = 0;
};

void search_piece(const MemoryRegion& region, process::Address begin, Bytes bytes, const Index& index,
                  const VisitReference& visit) {
  for (std::size_t at = 0; at + 8 <= bytes.size(); at += 8) {
    const auto word = load_or_zero<std::uint64_t>(bytes, at);
    if (!index.may_hold(word)) continue;
    index.each(word, [&](std::uint32_t object) { visit(region, object, begin + at); });
  }
}

}  // namespace

bool search_references(process::RemoteMemory& memory, std::span<const MemoryRegion> regions,
                       std::span<const SearchedObject> objects, const VisitReference& visit) {
  const Index index(objects);
  std::vector<std::byte> buffer(kPiece * kPiecesPerBatch);
  std::vector<process::ReadRequest> requests;
  std::vector<const MemoryRegion*> owners;
  std::size_t used = 0;
  bool complete = true;
  const auto flush = [&] {
    memory.read_many(requests);
    for (std::size_t i = 0; i < requests.size(); ++i) {
      complete = complete && requests[i].done;
      if (requests[i].done) search_piece(*owners[i], requests[i].address, requests[i].into, index, visit);
    }
    requests.clear();
    owners.clear();
    used = 0;
  };
  for (const MemoryRegion& region : regions) {
    const process::Address begin = (region.begin + 7) & ~7ULL;
    const process::Address end = region.begin + region.size;
    for (process::Address at = begin; at < end; at += kPiece) {
      const auto size = static_cast<std::size_t>(std::min(kPiece, end - at));
      if (used + size > buffer.size()) flush();
      requests.push_back({.address = at, .into = std::span(buffer).subspan(used, size)});
      owners.push_back(&region);
      used += size;
    }
  }
  flush();
  return complete;
}

std::optional<std::vector<SpanView>> scannable_spans(const Program& program) {
  const auto all = HeapSpans::read(program);
  if (!all) return std::nullopt;
  std::vector<SpanView> spans;
  std::ranges::copy_if(all->all(), std::back_inserter(spans), [](const SpanView& span) { return !span.noscan(); });
  return spans;
}

}  // namespace gotrace::goruntime
