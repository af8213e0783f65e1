// RetentionTable: what searches for large, little used objects found: the last one in full, the wasted bytes of those
// before.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "records/record.h"

namespace gotrace::model {

class RetentionTable {
 public:
  static constexpr std::size_t kMostPoints = 128;
  static constexpr std::size_t kMostGroups = 256;

  struct Point {
    std::uint64_t time_ns = 0;
    std::uint64_t objects = 0;
  };
  // kind, spare, allocated_at, size of a list's nodes, holder
  using Key = std::tuple<RetentionKind, bool, StackId, std::uint64_t, std::string>;

  void apply(const RetentionLook& record);
  [[nodiscard]] const std::optional<RetentionLook>& last() const { return last_; }
  [[nodiscard]] std::uint64_t looks() const { return looks_; }
  // How the number of objects of a group went, look by look; of a group that was not always seen from its first look
  // on.
  [[nodiscard]] const std::vector<Point>& points(const RetainedGroup& group) const;
  // The same of all objects of a kind and size, whoever holds them: a map that grows holds them by other arrays each
  // time. Looks that found none are left out.
  [[nodiscard]] const std::vector<Point>& points_of(RetentionKind kind, bool spare, std::uint64_t size) const;
  // How many more of these there are than when such were first found.
  [[nodiscard]] std::uint64_t more_of(RetentionKind kind, bool spare, std::uint64_t size) const;

 private:
  using Size = std::tuple<RetentionKind, bool, std::uint64_t>;
  void count_sizes(const RetentionLook& record);

  std::optional<RetentionLook> last_;
  std::uint64_t looks_ = 0;
  std::map<Key, std::vector<Point>> points_;
  std::map<Size, std::vector<Point>> totals_;  // by the largest object of a group
};

}  // namespace gotrace::model
