#include "probe/calibration.h"

#include <unistd.h>

#include <catch2/catch.hpp>

namespace gotrace::probe {
namespace {

TEST_CASE("calibration: an emulated site is cheaper than a stepped one, with either way to attach") {
  if (geteuid() != 0) {
    WARN("not root: probes can't be attached, nothing was tested");
    return;
  }
  const auto kind = GENERATE(AttachKind::multi, AttachKind::perf);
  const auto kernel = KernelSide::load({}, kind, 1 << 20);
  REQUIRE(kernel.ok());
  const auto push = calibrate_trap(**kernel, SiteKind::push_frame);
  if (!push && kind == AttachKind::multi) {
    WARN("no usable uprobe_multi here: " << push.error().text);
    return;
  }
  REQUIRE(push.ok());
  const auto branch = calibrate_trap(**kernel, SiteKind::stack_check_branch);
  const auto stepped = calibrate_trap(**kernel, SiteKind::stepped);
  REQUIRE(branch.ok());
  REQUIRE(stepped.ok());
  CHECK(push->alone_ns > 50);
  CHECK(push->alone_ns < stepped->alone_ns);
  CHECK(branch->alone_ns < stepped->alone_ns);
  CHECK(push->contended_ns >= push->alone_ns);
  CHECK(push->detach_ns > 0);
  CHECK(push->detach_took_ns >= push->detach_ns);
}

TEST_CASE("calibration: the more CPUs hit at once, the dearer a hit, up to what was measured") {
  const TrapCost cost{500, 1100, 4, 0};
  CHECK(cost.at(0.3) == 500);
  CHECK(cost.at(1) == 500);
  CHECK(cost.at(2.5) == Approx(800));
  CHECK(cost.at(4) == 1100);
  CHECK(cost.at(64) == 1100);
  CHECK(TrapCost{500, 500, 1, 0}.at(8) == 500);
}

}  // namespace
}  // namespace gotrace::probe
