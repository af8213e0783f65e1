#include "goruntime/reference_search.h"

#include <algorithm>

namespace gotrace::goruntime {
namespace {

constexpr std::uint64_t kPiece = 256U << 10;  // what is read at once: fits into the CPU's cache with what it hits
constexpr std::size_t kPiecesPerBatch = 4;
constexpr std::uint64_t kBehind = 16;  // the two words behind the last one of a piece

}  // namespace

// Both ends of what is known move outward by whole chunks.
bool SearchTargets::make_room(process::Address begin, process::Address end) {
  const process::Address low = begin / kChunk * kChunk;
  const process::Address high = (end + kChunk - 1) / kChunk * kChunk;
  if (end <= begin || high < end) return false;
  const process::Address new_low = extent_ == 0 ? low : std::min(low_, low);
  const process::Address new_high = extent_ == 0 ? high : std::max(low_ + extent_, high);
  if (new_high - new_low > kWidest) return false;
  const auto before = static_cast<std::size_t>(extent_ == 0 ? 0 : (low_ - new_low) / kChunk);
  std::vector<std::unique_ptr<Pages>> grown(static_cast<std::size_t>((new_high - new_low) / kChunk));
  if (grown.size() != arenas_.size()) {
    std::ranges::move(arenas_, grown.begin() + static_cast<std::ptrdiff_t>(before));
    arenas_ = std::move(grown);
  }
  low_ = new_low;
  extent_ = new_high - new_low;
  return true;
}

SearchTargets::TargetSpan* SearchTargets::span_for(const SpanView& span) {
  const std::uint64_t size = span.pages * kPage;
  if (!make_room(span.base, span.base + size)) return nullptr;
  const auto page_of = [this](process::Address address) -> std::uint32_t& {
    const std::uint64_t offset = address - low_;
    auto& pages = arenas_[static_cast<std::size_t>(offset / kChunk)];
    if (!pages) pages = std::make_unique<Pages>();
    return (*pages)[static_cast<std::size_t>(offset % kChunk / kPage)];
  };
  if (const std::uint32_t known = page_of(span.base); known != 0) return &spans_[known - 1];
  spans_.push_back({span.base, span.element_size, span.elements, span.limit,
                    std::vector<std::uint32_t>(static_cast<std::size_t>(span.elements), kNone)});
  const auto entry = static_cast<std::uint32_t>(spans_.size());
  for (std::uint64_t at = 0; at < size; at += kPage) page_of(span.base + at) = entry;
  return &spans_.back();
}

std::optional<std::uint32_t> SearchTargets::add_span(const SpanView& span) {
  if (span.elements > kMost - count_) return std::nullopt;
  TargetSpan* entry = span_for(span);
  if (entry == nullptr) return std::nullopt;
  const std::uint32_t first = count_;
  for (std::uint32_t& number : entry->numbers)
    if (number == kNone) number = count_++;
  return first;
}

std::optional<std::uint32_t> SearchTargets::add_object(const SpanView& span, std::uint64_t slot) {
  if (count_ >= kMost || slot >= span.elements) return std::nullopt;
  TargetSpan* entry = span_for(span);
  if (entry == nullptr || slot >= entry->numbers.size()) return std::nullopt;
  std::uint32_t& number = entry->numbers[static_cast<std::size_t>(slot)];
  if (number == kNone) number = count_++;
  return number;
}

ReferenceSearch::ReferenceSearch(process::RemoteMemory& memory, const SearchTargets& targets,
                                 std::vector<SearchRegion> regions)
    : memory_(memory), targets_(targets), regions_(std::move(regions)), buffer_((kPiece + kBehind) * kPiecesPerBatch) {
  for (SearchRegion& region : regions_) {
    region.size = region.size / 8 * 8;  // every piece begins at a word
    total_ += region.size;
  }
}

void ReferenceSearch::plan(std::uint64_t bytes) {
  requests_.clear();
  pieces_.clear();
  std::size_t used = 0;
  while (region_ < regions_.size() && bytes > 0) {
    const SearchRegion& region = regions_[region_];
    const std::uint64_t own = std::min({region.size - offset_, kPiece, bytes});
    const std::uint64_t size = std::min(region.size - offset_, own + kBehind);
    if (used + size > buffer_.size()) break;
    if (own > 0) {
      requests_.push_back({.address = region.begin + offset_,
                           .into = std::span(buffer_).subspan(used, static_cast<std::size_t>(size))});
      pieces_.push_back({&region, own});
    }
    used += static_cast<std::size_t>(size);
    bytes -= own;
    offset_ += own;
    if (offset_ < region.size) continue;
    ++region_;
    offset_ = 0;
  }
}

void ReferenceSearch::search(const Piece& piece, process::Address begin, Bytes bytes, const Visit& visit) const {
  for (std::size_t at = 0; at + 8 <= piece.own && at + 8 <= bytes.size(); at += 8) {
    const auto word = load_or_zero<std::uint64_t>(bytes, at);
    const std::uint32_t target = targets_.at(word);
    if (target == SearchTargets::kNone) continue;
    Reference reference{.region = piece.region, .target = target, .place = begin + at, .words = {word, 0, 0}};
    for (std::size_t next = 1; next < reference.words.size(); ++next) {
      const auto value = load<std::uint64_t>(bytes, at + 8 * next);
      if (!value) break;
      reference.words[next] = *value;
      ++reference.known;
    }
    visit(reference);
  }
}

bool ReferenceSearch::step(std::uint64_t bytes, const Visit& visit) {
  bytes = std::max<std::uint64_t>(bytes, 8) / 8 * 8;
  while (bytes > 0 && !done()) {
    plan(bytes);
    memory_.read_many(requests_);
    for (std::size_t i = 0; i < requests_.size(); ++i) {
      read_ += pieces_[i].own;
      bytes -= std::min(bytes, pieces_[i].own);
      if (requests_[i].done) {
        search(pieces_[i], requests_[i].address, requests_[i].into, visit);
      } else {
        unreadable_ += pieces_[i].own;
      }
    }
    if (requests_.empty() && !done()) ++region_;  // an empty one
  }
  return !done();
}

}  // namespace gotrace::goruntime
