#include "probe/pairing.h"

namespace gotrace::probe {

void Pairing::hit(const PendingSample& sample, const std::optional<FirstObject>& replaced) {
  const Key key{sample.slot.mcache, sample.slot.span_class};
  const auto found = pending_.find(key);
  if (found != pending_.end()) {
    settled_.push_back({std::exchange(found->second, sample), replaced});
  } else if (pending_.size() < kMostPending) {
    pending_.emplace(key, sample);
  } else {
    settled_.push_back({sample, {}});
  }
}

void Pairing::confirm() {
  std::erase_if(pending_, [this](const auto& entry) {
    const PendingSample& sample = entry.second;
    if (!sample.provisional) return false;
    settled_.push_back({sample, sample.provisional});
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
  settled_.push_back({found->second, {}});
  pending_.erase(found);
}

void Pairing::broken() {
  for (auto& settled : settled_) settled.object.reset();
  for (auto& [key, sample] : pending_) settled_.push_back({sample, {}});
  pending_.clear();
}

}  // namespace gotrace::probe
