// Pairing: which span belongs to which allocation sample. A refill of (mcache, class) installs a span, but the probe,
// at its entry, can't see which; the next refill of the same pair sees it as the one it replaces. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "probe/spans.h"
#include "records/record.h"

namespace gotrace::probe {

struct PendingSample {
  std::uint64_t time_ns = 0;
  std::uint64_t goid = 0;
  StackId stack = StackId::none;
  CacheSlot slot;
  std::optional<FirstObject> provisional;  // read from the mcache itself; good if no refill came before it was read
};

struct SettledSample {
  PendingSample sample;
  std::optional<FirstObject> object;  // of the span that it got; nothing: not known
};

class Pairing {
 public:
  // A refill; the sample before it in the same slot is settled by what it `replaced`.
  void hit(const PendingSample& sample, const std::optional<FirstObject>& replaced);
  // Settles what has a provisional object: nothing came in between. Call after all hits of a drain.
  void confirm();
  // Samples older than `age_ns` that nothing settled yet and that were not looked at; for look() below.
  [[nodiscard]] std::vector<CacheSlot> quiet(std::uint64_t now_ns, std::uint64_t age_ns) const;
  // What was read for the sample of a slot; nothing: settles it as unknown.
  void looked(const CacheSlot& slot, const std::optional<FirstObject>& object);
  // Hits were missed (detached, or records lost): nothing that is pending can be paired any more, nor what was settled
  // and not taken.
  void broken();

  [[nodiscard]] std::vector<SettledSample> take() { return std::exchange(settled_, {}); }
  [[nodiscard]] std::size_t pending() const { return pending_.size(); }

 private:
  using Key = std::pair<process::Address, std::uint8_t>;
  static constexpr std::size_t kMostPending = 65536;  // 136 classes x 480 Ps

  std::map<Key, PendingSample> pending_;
  std::vector<SettledSample> settled_;
};

}  // namespace gotrace::probe
