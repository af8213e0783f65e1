// Which locations and stacks a trace has defined so far. Where a chunk was lost, later records name ids that nobody
// knows; a consumer gets `none` for these instead, so that it may trust the ids it sees.
#pragma once

#include <cstdint>
#include <vector>

#include "records/record.h"
#include "trace/format.h"

namespace gotrace::trace {

class IdSet {
 public:
  // False: no id that may be defined (0, beyond kMaxId, or defined before).
  [[nodiscard]] bool define(std::uint32_t id) {
    if (id == 0 || id > kMaxId || contains(id)) return false;
    if (id >= known_.size()) known_.resize(id + 1);
    known_[id] = true;
    return true;
  }
  [[nodiscard]] bool contains(std::uint32_t id) const { return id < known_.size() && known_[id]; }

 private:
  std::vector<bool> known_;
};

class IdTable {
 public:
  // Takes over what the record defines and repairs what it refers to. False: its definition is not valid, leave it out.
  [[nodiscard]] bool admit(LocationRecord& record) {
    return !record.frames.empty() && locations_.define(static_cast<std::uint32_t>(record.id));
  }
  [[nodiscard]] bool admit(StackRecord& record) {
    const auto lost = std::erase_if(record.locations, [this](LocationId id) { return !knows(id); });
    if (lost > 0) record.truncated = true;
    lost_references_ += lost;
    return stacks_.define(static_cast<std::uint32_t>(record.id));
  }
  [[nodiscard]] bool admit(HeapBucket& record) {
    repair(record.stack);
    return true;
  }
  [[nodiscard]] bool admit(ResourceLook& record) {
    for (ResourceCount& count : record.counts) repair(count.location);
    return true;
  }
  [[nodiscard]] bool admit(RetentionLook& record) {
    for (RetainedGroup& group : record.groups) {
      repair(group.allocated_at);
      repair(group.holder_used_at);
    }
    return true;
  }
  [[nodiscard]] bool admit(Proof& record) {
    for (ReachedGoroutines& reached : record.reached) repair(reached.used_at);
    return record.held_bytes.size() == record.goids.size() && record.deadlocks.size() == record.goids.size();
  }
  [[nodiscard]] bool admit(HeapRetention& record) {
    for (HeapRetainer& retainer : record.retainers)
      for (LocationId* id : {&retainer.used_at, &retainer.created_at, &retainer.held_at}) repair(*id);
    for (HeapType& type : record.types) repair(type.used_at);
    for (HeapPath& way : record.ways) repair(way.used_at);
    return true;
  }
  [[nodiscard]] static bool admit(const GoroutinesSeen& record) {
    return record.wait_since_ns.size() == record.goids.size() && record.stack_bytes.size() == record.goids.size();
  }
  template <typename R>
  [[nodiscard]] bool admit(const R&) {
    return true;
  }

  void repair(LocationId& id) {
    if (id != LocationId::none && !knows(id)) lose(id);
  }
  void repair(StackId& id) {
    if (id != StackId::none && !stacks_.contains(static_cast<std::uint32_t>(id))) lose(id);
  }
  [[nodiscard]] std::uint64_t lost_references() const { return lost_references_; }

 private:
  [[nodiscard]] bool knows(LocationId id) const { return locations_.contains(static_cast<std::uint32_t>(id)); }
  template <typename T>
  void lose(T& id) {
    id = T::none;
    ++lost_references_;
  }

  IdSet locations_;
  IdSet stacks_;
  std::uint64_t lost_references_ = 0;
};

}  // namespace gotrace::trace
