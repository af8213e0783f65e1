// References: what leads to what, as the marker finds it: objects by their numbers, and the origins of ways. Each
// object is looked into once; what it leads to lies together.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace gotrace::proof {

class References {
 public:
  static constexpr std::uint32_t kNone = 0xffffffff;
  struct FromOrigin {
    std::uint32_t origin = 0;  // index
    std::uint32_t object = 0;
  };

  // Of a heap with so many slots; `expected` references, `most` at most: beyond that nothing is known.
  References(std::uint64_t slots, std::uint64_t expected, std::uint64_t most)
      : group_of_(static_cast<std::size_t>(slots), kNone), most_(most) {
    objects_.reserve(static_cast<std::size_t>(expected < most ? expected : most));  // takes no memory until it is used
  }

  // What is added from now on is what `object` leads to.
  void begin(std::uint32_t object) {
    group_of_[object] = static_cast<std::uint32_t>(begins_.size());
    begins_.push_back(static_cast<std::uint32_t>(objects_.size()));
  }
  void add(std::uint32_t object) {
    if (objects_.size() < most_) {
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

  [[nodiscard]] bool complete() const { return complete_; }
  [[nodiscard]] std::uint64_t size() const { return objects_.size() + from_origins_.size(); }
  [[nodiscard]] std::span<const std::uint32_t> of(std::uint32_t object) const {
    const std::uint32_t group = group_of_[object];
    if (group == kNone) return {};
    const std::size_t begin = begins_[group];
    const std::size_t end = group + 1 < begins_.size() ? begins_[group + 1] : objects_.size();
    return std::span(objects_).subspan(begin, end - begin);
  }
  [[nodiscard]] const std::vector<FromOrigin>& from_origins() const { return from_origins_; }

 private:
  std::vector<std::uint32_t> group_of_;  // by object
  std::vector<std::uint32_t> begins_;    // by group, in objects_
  std::vector<std::uint32_t> objects_;
  std::vector<FromOrigin> from_origins_;
  std::uint64_t most_;
  bool complete_ = true;
};

}  // namespace gotrace::proof
