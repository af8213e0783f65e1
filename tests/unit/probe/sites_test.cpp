#include "probe/sites.h"

#include <array>
#include <initializer_list>

#include "go_program.h"
#include "goruntime/program.h"
#include "probe/targets.h"

namespace gotrace::probe {
namespace {

std::vector<std::byte> code(std::initializer_list<int> bytes) {
  std::vector<std::byte> result;
  for (const int byte : bytes) result.push_back(static_cast<std::byte>(byte));
  return result;
}

TEST_CASE("sites: behind the stack check, on the push of the frame pointer") {
  // cmp 0x10(%r14),%rsp; jbe +0x30; push %rbp; mov %rsp,%rbp
  const auto bytes = code({0x49, 0x3b, 0x66, 0x10, 0x76, 0x30, 0x55, 0x48, 0x89, 0xe5});
  CHECK(choose_site(bytes, 24).value() == Site{6, SiteKind::push_frame});
}

TEST_CASE("sites: a bigger frame checks an address below the stack pointer, with a far branch") {
  // lea -0x80(%rsp),%r12; cmp 0x10(%r14),%r12; jbe near; push %rbp
  const auto bytes = code({0x4c, 0x8d, 0x64, 0x24, 0x80, 0x4d, 0x3b, 0x66, 0x10, 0x0f, 0x86, 0, 1, 0, 0, 0x55});
  CHECK(choose_site(bytes, 27).value() == Site{15, SiteKind::push_frame});
}

TEST_CASE("sites: up to Go 1.20 on the branch of the check itself") {
  // cmp 0x10(%r14),%rsp; jbe; sub $0x18,%rsp
  const auto bytes = code({0x49, 0x3b, 0x66, 0x10, 0x76, 0x30, 0x48, 0x83, 0xec, 0x18});
  CHECK(choose_site(bytes, 19).value() == Site{4, SiteKind::stack_check_branch});
}

TEST_CASE("sites: without a stack check, on the push or on the entry") {
  CHECK(choose_site(code({0x55, 0x48, 0x89, 0xe5}), 24).value() == Site{0, SiteKind::push_frame});
  CHECK(choose_site(code({0x48, 0x83, 0xec, 0x18}), 19).value() == Site{0, SiteKind::stepped});
}

TEST_CASE("sites: what is not understood is refused") {
  CHECK_FALSE(choose_site({}, 24).ok());
  CHECK_FALSE(choose_site(code({0x06, 0x06}), 24).ok());                                // no machine code
  CHECK_FALSE(choose_site(code({0x49, 0x3b, 0x66, 0x10}), 24).ok());                    // cut off
  CHECK_FALSE(choose_site(code({0x49, 0x3b, 0x66, 0x10, 0x90, 0x76, 0x30}), 24).ok());  // something in between
  CHECK_FALSE(choose_site(code({0x55}), 15).ok());                                      // arguments on the stack
}

TEST_CASE("sites: behind the calls of a function, but not of others") {
  // 0x1000: call 0x2000; mov %rax,%rbx; call 0x2000; call 0x3000; ret
  const auto bytes =
      code({0xe8, 0xfb, 0x0f, 0, 0, 0x48, 0x89, 0xc3, 0xe8, 0xf3, 0x0f, 0, 0, 0xe8, 0xee, 0x1f, 0, 0, 0xc3});
  CHECK(behind_calls(bytes, 0x1000, 0x2000) == std::vector<std::uint64_t>{5, 13});
  CHECK(behind_calls(bytes, 0x1000, 0x4000).empty());
  CHECK(behind_calls(Bytes(bytes).first(5), 0x1000, 0x2000).empty());  // nothing is behind it
  auto broken = bytes;
  broken.back() = std::byte{0x06};  // no instruction
  CHECK(behind_calls(broken, 0x1000, 0x2000).empty());
}

TEST_CASE("sites: every probe finds its place in real programs of each release") {
  const int minor = GENERATE(19, 21, 22, 23, 24, 25, 26, 27);
  CAPTURE(minor);
  testing::GoProgram go(testing::build_program(minor));
  const auto target = process::Target::open(go.pid()).value();
  const auto program = goruntime::Program::open(target).value();
  ProbeOptions options;
  options.every_allocation = true;
  const auto plans = plan_probes(*program, options);
  CHECK(plans.size() == 6);
  const auto expected = minor < 21 ? SiteKind::stack_check_branch : SiteKind::push_frame;
  for (const auto& plan : plans) {
    CAPTURE(plan.symbol, plan.reason);
    REQUIRE_FALSE(plan.file_offsets.empty());
    if (plan.returned) {
      CHECK(plan.probe == GOTRACE_LARGE);
      CHECK(plan.kind == SiteKind::stepped);
      continue;
    }
    CHECK(plan.kind == expected);
    for (const auto offset : plan.file_offsets) {
      std::array<std::uint8_t, 2> bytes{};
      REQUIRE(pread(target.exe_fd(), bytes.data(), bytes.size(), static_cast<off_t>(offset)) == 2);
      if (minor >= 21) CHECK(bytes[0] == 0x55);
      if (minor < 21) CHECK((bytes[0] == 0x76 || (bytes[0] == 0x0f && bytes[1] == 0x86)));
    }
  }
  CHECK((plans.back().file_offsets.size() > 1) == (minor >= 27));  // the mallocs by size class
}

}  // namespace
}  // namespace gotrace::probe
