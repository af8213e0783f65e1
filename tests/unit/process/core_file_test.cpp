#include "process/core_file.h"

#include <array>
#include <catch2/catch.hpp>

#include "core_sample.h"

namespace gotrace::process {
namespace {

using testing::file_of;
using testing::sample_core;

Result<CoreFile> opened(const std::string& contents) { return CoreFile::open(file_of(contents), "c"); }

// Reads all that it says of itself.
void use(CoreFile& core) {
  std::array<std::byte, 64> bytes{};
  for (const CoreSegment& segment : core.segments()) {
    REQUIRE(segment.range.begin < segment.range.end);
    REQUIRE(segment.file_bytes <= segment.range.size());
    (void)core.read(segment.range.begin, bytes);
    (void)core.read(segment.range.end - 1, bytes);
    (void)core.holds(segment.range);
  }
  (void)core.executable();
  (void)core.vector_registers_known();
}

}  // namespace

TEST_CASE("a core tells of its process") {
  const auto core = opened(sample_core());
  REQUIRE(core);
  CHECK(core->pid() == 42);
  CHECK(core->entry() == 0x401000);
  CHECK(core->executable() == "/bin/x");
  CHECK(core->executable_begin() == Address{0x400000});
  CHECK_FALSE(core->cut_off());
  CHECK(core->vector_registers_known());
  REQUIRE(core->threads().size() == 2);
  const StoppedThread& thread = core->threads()[1];
  CHECK(thread.tid == 43);
  CHECK(thread.program_counter == 0x401234);
  CHECK(thread.stack_pointer == 0x10100);
  CHECK(thread.thread_pointer == 0x7000);
  CHECK(thread.in_system_call);
  CHECK_FALSE(core->threads()[0].in_system_call);
  CHECK(thread.extended.size() == 832 / 8);
  CHECK(thread.registers.size() == sizeof(user_regs_struct) / 8);
}

TEST_CASE("a core's memory is what it holds, and nothing else") {
  auto core = opened(sample_core());
  REQUIRE(core);
  std::array<std::byte, 2> bytes{};
  REQUIRE(core->read(0x10fff, bytes));  // across two mappings
  CHECK(bytes == std::array{std::byte{'a'}, std::byte{'b'}});
  CHECK(core->read(0x117fe, bytes));
  for (const Address address : {Address{0}, Address{0xffff}, Address{0x117ff}, Address{0x11900}, Address{0x12000},
                                Address{0x400000}, ~Address{0}})
    CHECK_FALSE(core->read(address, bytes));
  CHECK(core->holds({0x10000, 0x11800}));
  CHECK_FALSE(core->holds({0x10000, 0x11801}));
  CHECK_FALSE(core->holds({0x400000, 0x400001}));
}

TEST_CASE("a core without a thread's vector registers says so") {
  const auto core = opened(sample_core(testing::sample_notes() + testing::thread_note(44, 0x10010, -1)));
  REQUIRE(core);
  CHECK_FALSE(core->vector_registers_known());
}

TEST_CASE("a core that is cut off is read as far as it goes, and says so") {
  const std::string whole = sample_core();
  const std::size_t memory = whole.size() - 6144;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    auto core = opened(whole.substr(0, size));
    INFO(size);
    REQUIRE(core.ok() == (size >= memory));
    if (!core) {
      CHECK_THAT(core.error().text, Catch::StartsWith("c: ") && Catch::Contains("core"));
      continue;
    }
    CHECK(core->cut_off());
    use(*core);
    std::array<std::byte, 8> bytes{};
    CHECK(core->read(0x10000, bytes) == (size >= memory + 8));
  }
}

TEST_CASE("whatever a core's headers and notes say, nothing outside of it is read") {
  const std::string whole = sample_core();
  const std::size_t headers = whole.size() - 6144;
  for (std::size_t i = 0; i < headers; ++i) {
    for (const char value : {'\x00', '\x7f', '\xff'}) {
      std::string damaged = whole;
      damaged[i] = value;
      if (auto core = opened(damaged)) use(*core);
    }
  }
  CHECK_FALSE(opened("").ok());
  CHECK_FALSE(opened(sample_core("")).ok());  // no threads
}

}  // namespace gotrace::process
