#include "probe/pairing.h"

namespace gotrace::probe {
namespace {

constexpr std::uint32_t kCached = 3;  // a cached span's sweepgen is the heap's + 3 (runtime/mheap.go)

// The span that a refill found in place; nothing when that is runtime.emptymspan: a GC has flushed the mcache since.
std::optional<SpanClaim> claim_of(const gotrace_refill& refill) {
  if (refill.span == 0 || refill.span_start == 0 || refill.alloc_bits == 0) return std::nullopt;
  return SpanClaim{refill.span, refill.span_start, refill.alloc_bits, refill.sweepgen - kCached,
                   static_cast<std::uint8_t>(refill.span_class)};
}

}  // namespace

void Pairing::hit(const gotrace_refill& refill, StackId stack) {
  const auto span_class = static_cast<std::uint8_t>(refill.span_class);
  const CacheSlot slot{refill.mcache, span_class};
  PendingSample sample{refill.event.time_ns, refill.event.goid, stack, slot, {}};
  const Key key{refill.mcache, span_class};
  const auto found = pending_.find(key);
  if (found != pending_.end()) {
    found->second.provisional.reset();
    settled_.push_back({std::exchange(found->second, sample), claim_of(refill), {}});
  } else if (pending_.size() < kMostPending) {
    pending_.emplace(key, sample);
  } else {
    settled_.push_back({sample, {}, {}});
  }
}

void Pairing::confirm() {
  std::erase_if(pending_, [this](const auto& entry) {
    const PendingSample& sample = entry.second;
    if (!sample.provisional) return false;
    settled_.push_back({sample, {}, sample.provisional});
    return true;
  });
}

std::vector<CacheSlot> Pairing::quiet(std::uint64_t now_ns, std::uint64_t age_ns) const {
  std::vector<CacheSlot> result;
  for (const auto& [key, sample] : pending_) {
    if (!sample.provisional && now_ns > sample.time_ns && now_ns - sample.time_ns >= age_ns) {
      result.push_back(sample.slot);
    }
  }
  return result;
}

void Pairing::looked(const CacheSlot& slot, const std::optional<FirstObject>& object) {
  const auto found = pending_.find({slot.mcache, slot.span_class});
  if (found == pending_.end()) return;
  if (object) {
    found->second.provisional = object;
    return;
  }
  settled_.push_back({found->second, {}, {}});
  pending_.erase(found);
}

void Pairing::broken() {
  for (auto& settled : settled_) settled.claim.reset(), settled.object.reset();
  for (auto& [key, sample] : pending_) settled_.push_back({sample, {}, {}});
  pending_.clear();
}

}  // namespace gotrace::probe
