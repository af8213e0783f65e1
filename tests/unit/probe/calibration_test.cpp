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
  CHECK(*push > 50);
  CHECK(*push < *stepped);
  CHECK(*branch < *stepped);
}

}  // namespace
}  // namespace gotrace::probe
