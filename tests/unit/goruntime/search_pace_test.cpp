// Searches are spread over half a minute where they are dear, and follow each other where they are cheap.
#include "goruntime/search_pace.h"

#include <catch2/catch.hpp>
#include <vector>

namespace gotrace::goruntime {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;

// When they are made, if each takes `search_ns` and there are `budget_ns` for all.
std::vector<double> times(std::uint64_t search_ns, std::uint64_t budget_ns) {
  std::vector<double> result;
  std::uint64_t now = 2 * kSecond;
  for (std::uint64_t left = budget_ns - 2 * search_ns; left >= search_ns; left -= search_ns) {
    now += rest_between_searches(now, search_ns, left);
    result.push_back(static_cast<double>(now) / 1e9);
  }
  return result;
}

}  // namespace

TEST_CASE("dear searches end after half a minute, with some in the first ten seconds") {
  const auto dear = times(kSecond / 3, 2 * kSecond);
  REQUIRE(dear.size() == 4);
  CHECK(dear.back() == Approx(30).epsilon(0.01));
  CHECK(dear[1] < 10);
  for (std::size_t i = 1; i < dear.size(); ++i) CHECK(dear[i] > dear[i - 1] + 1);
}

TEST_CASE("cheap searches need not be spread") {
  CHECK(rest_between_searches(2 * kSecond, kSecond / 200, 2 * kSecond) < kSecond / 10);
}

TEST_CASE("with no time left, or after half a minute, nothing is spread") {
  CHECK(rest_between_searches(2 * kSecond, kSecond, kSecond / 2) == 0);
  CHECK(rest_between_searches(31 * kSecond, kSecond, 2 * kSecond) == 0);
  CHECK(rest_between_searches(0, kSecond, 2 * kSecond) == 0);
  CHECK(rest_between_searches(2 * kSecond, 0, 2 * kSecond) == 0);
}

}  // namespace gotrace::goruntime
