#include "proof/snapshot_file.h"

#include <catch2/catch.hpp>

#include "snapshot_sample.h"

namespace gotrace::proof {
namespace {

using Catch::Contains;
using testing::RawBlock;
using testing::sample_blocks;
using testing::snapshot_of;
using testing::trouble_of;

constexpr std::string_view kWhole = "s: pid 42 (/bin/x): not a Go program";  // all of the file was read

bool is_clear(const std::string& text) {
  for (const std::string_view known :
       {"s: damaged at byte", "s: ends early", "s: not a snapshot", "s: a snapshot of format"})
    if (text.starts_with(known) && text.find('\n') == std::string::npos) return true;
  return false;
}

std::vector<RawBlock> with(std::size_t index, RawBlock block) {
  auto blocks = sample_blocks();
  blocks[index] = std::move(block);
  return blocks;
}

std::vector<std::byte> range(std::uint64_t begin, std::uint64_t end) {
  const process::MemoryRange one{begin, end};
  return encode(std::span(&one, 1));
}

}  // namespace

TEST_CASE("a snapshot is read to its end") {
  CHECK_THAT(trouble_of(snapshot_of(sample_blocks())), Contains(std::string(kWhole)));
}

TEST_CASE("each byte of a snapshot counts") {
  const std::string whole = snapshot_of(sample_blocks());
  REQUIRE(whole.size() > 300);
  for (std::size_t i = 0; i < whole.size(); ++i) {
    std::string damaged = whole;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x41);
    const std::string trouble = trouble_of(damaged);
    INFO(i << ": " << trouble);
    const bool minor_version = i == 6 || i == 7;
    CHECK((minor_version ? trouble.starts_with(kWhole) : is_clear(trouble)));
  }
}

TEST_CASE("a snapshot that is cut off anywhere is said to be") {
  const std::string whole = snapshot_of(sample_blocks());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    INFO(size);
    CHECK_THAT(trouble_of(whole.substr(0, size)), Catch::StartsWith("s: ends early, at byte " + std::to_string(size)));
  }
}

TEST_CASE("another version's snapshot is not read") {
  std::string newer = snapshot_of(sample_blocks());
  newer[4] = 2;
  CHECK_THAT(trouble_of(newer), Contains("format 2, and this gotrace-leak reads format 1; use a newer version"));
  CHECK_THAT(trouble_of("\x89GTL0000"), Contains("not a snapshot"));
}

TEST_CASE("what a snapshot claims is not believed") {
  using enum BlockKind;
  const auto damaged = [](std::vector<RawBlock> blocks) {
    const std::string trouble = trouble_of(snapshot_of(blocks));
    INFO(trouble);
    CHECK(trouble.starts_with("s: damaged at byte"));
  };
  auto facts_of = testing::sample_facts();
  facts_of.executable_bytes = 1ULL << 60;
  damaged(with(0, {facts, 0, encode(facts_of)}));
  damaged(with(0, {facts, 0, {}}));
  damaged(with(1, {facts, 0, encode(testing::sample_facts())}));
  damaged(with(0, {static_cast<BlockKind>(99), 0, {}}));                    // no facts
  damaged(with(1, {thread, 0, std::vector<std::byte>(40)}));                // no registers
  damaged(with(1, {thread, 0, std::vector<std::byte>(56, std::byte{1})}));  // too many
  damaged(with(2, {ranges, 0, range(0x10000, 1ULL << 62)}));                // more than a file of its size can hold
  damaged(with(2, {ranges, 0, range(0x12000, 0x10000)}));
  damaged(with(2, {ranges, 7, range(0x10000, 0x12000)}));
  damaged(with(2, {ranges, 0, std::vector<std::byte>(15)}));
  damaged(with(3, {ranges, 0, range(0x11000, 0x13000)}));  // overlaps
  damaged(with(4, {executable, 1ULL << 40, testing::tiny_executable()}));
  damaged(with(4, {executable, ~0ULL, testing::tiny_executable()}));
  damaged(with(4, {executable, 8, {}}));                           // all zeros: no ELF file
  damaged(with(5, {memory, 0x12000, std::vector<std::byte>(8)}));  // in no range
  damaged(with(5, {memory, ~0ULL - 3, std::vector<std::byte>(8)}));
  damaged(with(5, {end, 0, {}}));  // no memory
}

TEST_CASE("what a newer minor version adds is left out") {
  auto blocks = sample_blocks();
  blocks.insert(blocks.begin() + 1, RawBlock{static_cast<BlockKind>(99), 5, std::vector<std::byte>(100)});
  blocks[0].bytes.resize(blocks[0].bytes.size() + 8);
  CHECK_THAT(trouble_of(snapshot_of(blocks)), Contains(std::string(kWhole)));
}

TEST_CASE("facts and threads of a snapshot come back as they were") {
  const auto facts = decode_facts(encode(testing::sample_facts()));
  REQUIRE(facts);
  CHECK(facts->process.pid == 42);
  CHECK(facts->process.exe == "/bin/x");
  CHECK(facts->process.exe_deleted);
  CHECK(facts->process.started_wall_ns == -5);
  process::StoppedThread thread;
  thread.tid = 9;
  thread.in_system_call = true;
  thread.thread_pointer = 77;
  thread.registers = {1, 2};
  thread.extended = {3};
  const auto back = decode_thread(encode(thread));
  REQUIRE(back);
  CHECK(back->tid == 9);
  CHECK(back->in_system_call);
  CHECK(back->thread_pointer == 77);
  CHECK(back->registers == thread.registers);
  CHECK(back->extended == thread.extended);
}

// GOTRACE_CORPUS=DIRECTORY unit_proof "[.corpus]" makes the files of tests/fuzz/corpus/snapshot_file.
TEST_CASE("the fuzzer's first inputs", "[.corpus]") {
  const char* folder = std::getenv("GOTRACE_CORPUS");
  REQUIRE(folder != nullptr);
  const auto keep = [&](const char* name, std::string_view contents) {
    std::ofstream(std::filesystem::path(folder) / name, std::ios::binary) << contents;
  };
  const std::string whole = snapshot_of(sample_blocks());
  keep("whole", whole);
  keep("cut_off", std::string_view(whole).substr(0, 200));
  std::string newer = whole;
  newer[4] = 2;
  keep("newer", newer);
  keep("huge_ranges", snapshot_of(with(2, {BlockKind::ranges, 0, range(0x10000, 1ULL << 62)})));
  for (const RawBlock& block : sample_blocks())
    if (!block.bytes.empty())
      keep(("payload_" + std::to_string(static_cast<int>(block.kind))).c_str(),
           {reinterpret_cast<const char*>(block.bytes.data()), block.bytes.size()});
}

}  // namespace gotrace::proof
