// References: what leads to what, as the marker finds it: objects by the order in which they were marked, and the
// origins of ways. Each object is looked into once, in that order, too; what it leads to lies together.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "base/large_array.h"

namespace gotrace::proof {

class References {
 public:
  static constexpr std::uint32_t kNone = 0xffffffff;
  struct FromOrigin {
    std::uint32_t origin = 0;  // index
    std::uint32_t object = 0;
  };

  // Of at most so many objects; `expected` references, `most` at most: beyond that nothing is known.
  References(std::uint64_t objects, std::uint64_t expected, std::uint64_t most)
      : begins_(static_cast<std::size_t>(objects) + 1), objects_(std::min(expected, most)), most_(most) {}

  // REQUIRES that `from` is not before that of the last call.
  void add(std::uint32_t from, std::uint32_t object) {
    while (begins_.size() <= from) begins_.push_back(static_cast<std::uint32_t>(objects_.size()));
    if (!objects_.full()) {
      objects_.push_back(object);
    } else {
      complete_ = false;
    }
  }
  void add_from(std::uint32_t origin, std::uint32_t object) {
    if (from_origins_.size() < most_) {
      from_origins_.push_back({origin, object});
    } else {
      complete_ = false;
    }
  }
  // All objects before `objects` have been looked into.
  void end(std::uint32_t objects) {
    while (begins_.size() < objects) begins_.push_back(static_cast<std::uint32_t>(objects_.size()));
  }

  [[nodiscard]] bool complete() const { return complete_; }
  [[nodiscard]] std::uint64_t size() const { return objects_.size() + from_origins_.size(); }
  [[nodiscard]] std::span<const std::uint32_t> of(std::uint32_t object) const {
    if (object >= begins_.size()) return {};
    const std::size_t begin = begins_[object];
    const std::size_t end = object + 1 < begins_.size() ? begins_[object + 1] : objects_.size();
    return objects_.all().subspan(begin, end - begin);
  }
  void prefetch(std::uint32_t object) const { __builtin_prefetch(&begins_[object]); }
  [[nodiscard]] const std::vector<FromOrigin>& from_origins() const { return from_origins_; }

 private:
  LargeArray<std::uint32_t> begins_;  // by object, in objects_
  LargeArray<std::uint32_t> objects_;
  std::vector<FromOrigin> from_origins_;
  std::uint64_t most_;
  bool complete_ = true;
};

}  // namespace gotrace::proof
