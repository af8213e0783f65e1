#include "model/resource_table.h"

#include <catch2/catch.hpp>

using namespace gotrace;
using namespace gotrace::model;

namespace {

ResourceLook look_at(std::uint64_t time_ns, std::vector<ResourceCount> counts) {
  ResourceLook look;
  look.time_ns = time_ns;
  look.kind = ResourceKind::timers;
  look.arrived = 1;
  look.counts = std::move(counts);
  return look;
}

}  // namespace

TEST_CASE("what comes late or goes has a count of 0 at the other looks") {
  ResourceTable table;
  table.apply(look_at(1, {{"a", LocationId::none, 0, 5}}), std::nullopt);
  table.apply(look_at(2, {{"b", LocationId::none, 0, 6}}), std::nullopt);
  const auto& series = table.series(ResourceKind::timers);
  CHECK(series.points.size() == 2);
  CHECK(series.counts.at({"a", LocationId::none, 0}) == std::vector<std::uint64_t>{5, 0});
  CHECK(series.counts.at({"b", LocationId::none, 0}) == std::vector<std::uint64_t>{0, 6});
  CHECK(table.series(ResourceKind::threads).points.empty());
}

TEST_CASE("a long session keeps its first and last look, and loses no arrivals") {
  ResourceTable table;
  constexpr std::uint64_t kCount = 3 * ResourceTable::kMostPoints;
  for (std::uint64_t i = 1; i <= kCount; ++i) table.apply(look_at(i, {{"a", LocationId::none, 0, i}}), std::nullopt);
  const auto& series = table.series(ResourceKind::timers);
  CHECK(series.points.size() <= ResourceTable::kMostPoints);
  CHECK(series.points.front().time_ns == 1);
  CHECK(series.points.back().time_ns == kCount);
  const auto& counts = series.counts.at({"a", LocationId::none, 0});
  REQUIRE(counts.size() == series.points.size());
  std::uint64_t arrived = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    CHECK(counts[i] == series.points[i].time_ns);
    arrived += series.points[i].arrived;
  }
  CHECK(arrived == kCount);
}

TEST_CASE("names beyond the limit are counted, not kept") {
  ResourceTable table;
  std::vector<ResourceCount> counts;
  for (std::size_t i = 0; i < ResourceTable::kMostKeys + 3; ++i) counts.push_back({"n", LocationId::none, i, 1});
  table.apply(look_at(1, counts), std::nullopt);
  CHECK(table.series(ResourceKind::timers).counts.size() == ResourceTable::kMostKeys);
  CHECK(table.evicted() == 3);
}
