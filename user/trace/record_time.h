// When a record was made, where it says so.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <variant>

#include "records/record.h"

namespace gotrace::trace {

[[nodiscard]] inline std::optional<std::uint64_t> time_of(const Record& record) {
  return std::visit(
      [](const auto& r) -> std::optional<std::uint64_t> {
        if constexpr (requires { r.time_ns; }) {
          return r.time_ns;
        } else if constexpr (requires { r.end_ns; }) {
          return r.end_ns;
        } else {
          return std::nullopt;
        }
      },
      record);
}

// From the earliest to the latest of some times; they need not come in order.
class TimeSpan {
 public:
  void include(std::uint64_t time_ns) {
    first_ = any_ ? std::min(first_, time_ns) : time_ns;
    last_ = any_ ? std::max(last_, time_ns) : time_ns;
    any_ = true;
  }
  [[nodiscard]] std::uint64_t length_ns() const { return last_ - first_; }

 private:
  std::uint64_t first_ = 0;
  std::uint64_t last_ = 0;
  bool any_ = false;
};

}  // namespace gotrace::trace
