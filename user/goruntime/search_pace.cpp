#include "goruntime/search_pace.h"

#include <cmath>

namespace gotrace::goruntime {
namespace {

constexpr double kSpanNs = 30e9;

}  // namespace

std::uint64_t rest_between_searches(std::uint64_t since_first_ns, std::uint64_t search_ns, std::uint64_t left_ns) {
  const auto elapsed = static_cast<double>(since_first_ns);
  if (since_first_ns == 0 || elapsed >= kSpanNs || search_ns == 0 || left_ns < search_ns) return 0;
  const double searches = static_cast<double>(left_ns) / static_cast<double>(search_ns);
  return static_cast<std::uint64_t>(elapsed * (std::pow(kSpanNs / elapsed, 1 / searches) - 1));
}

}  // namespace gotrace::goruntime
