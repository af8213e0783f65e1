#include <catch2/catch.hpp>
#include <set>

#include "temporary.h"
#include "trace/format.h"

using namespace gotrace;
using namespace gotrace::trace;
using namespace gotrace::trace::test;

namespace {

void check_round_trip(const std::vector<Record>& records, std::size_t records_a_chunk = 1'000'000) {
  const std::string bytes = trace_of(records, records_a_chunk);
  Collector out;
  const auto summary = read_bytes(bytes, "t.gtl", out);
  REQUIRE(summary.ok());
  CHECK(summary->complete);
  CHECK(summary->trouble.empty());
  CHECK(summary->records == records.size());
  CHECK(summary->unknown_records == 0);
  CHECK(summary->unknown_fields == 0);
  CHECK(summary->lost_references == 0);
  CHECK(summary->damaged_chunks == 0);
  CHECK(summary->bytes_read == bytes.size());
  CHECK(texts_of(out.records) == texts_of(records));
}

std::set<std::size_t> alternatives(const std::vector<Record>& records) {
  std::set<std::size_t> out;
  for (const Record& record : records) out.insert(record.index());
  return out;
}

}  // namespace

TEST_CASE("the samples have every alternative, and their texts tell them apart") {
  CHECK(alternatives(one_of_each()).size() == std::variant_size_v<Record>);
  CHECK(alternatives(one_of_each_empty()).size() == std::variant_size_v<Record>);
  const auto texts = texts_of(one_of_each());
  CHECK(std::set<std::string>(texts.begin(), texts.end()).size() == texts.size());
}

TEST_CASE("every field of every record comes back as it was") {
  check_round_trip(one_of_each());
  check_round_trip(one_of_each(), 1);
  check_round_trip(one_of_each(), 3);
}

TEST_CASE("empty, zero and absent come back as they were, not as a default") {
  check_round_trip(one_of_each_empty());
  check_round_trip(one_of_each_empty(), 1);
}

TEST_CASE("every value of every enum comes back") {
  std::vector<Record> records;
  for (int i = 0; i <= 2; ++i) records.emplace_back(SessionEnd{1, static_cast<EndReason>(i), 2, 3});
  for (int i = 0; i <= 2; ++i) records.emplace_back(SourceState{1, "n", static_cast<SourceStatus>(i), "", ""});
  for (int i = 0; i <= 3; ++i) {
    ProbeState probe;
    probe.status = static_cast<ProbeStatus>(i);
    records.emplace_back(probe);
    MemoryFigures figures;
    figures.limits = {{static_cast<LimitKind>(i), "p", 1, 2}};
    records.emplace_back(figures);
  }
  for (const auto status :
       {GoStatus::idle, GoStatus::runnable, GoStatus::running, GoStatus::syscall, GoStatus::waiting, GoStatus::dead,
        GoStatus::copystack, GoStatus::preempted, GoStatus::leaked, GoStatus::dead_extra}) {
    GoroutineState state;
    state.status = status;
    records.emplace_back(state);
  }
  for (int i = 0; i <= 4; ++i) {
    GoroutineState state;
    state.wait_objects = {{static_cast<WaitKind>(i), static_cast<WaitDirection>(i % 3), false, false, 1, 2, 3}};
    records.emplace_back(state);
  }
  check_round_trip(records);
}

TEST_CASE("the order of records of all kinds is kept") {
  std::vector<Record> records;
  std::uint64_t time = 1'000'000;
  for (std::uint64_t i = 0; i < 5'000; ++i) {
    time += i % 7;
    const std::uint64_t kind = i * 2'654'435'761U % 11;
    if (kind < 3) records.emplace_back(Birth{time, i, LocationId::none, StackId::none});
    if (kind == 3 || kind == 4) records.emplace_back(Park{time, i / 3, static_cast<std::uint8_t>(i)});
    if (kind == 5 || kind == 6) records.emplace_back(End{time, 5'000 - i});
    if (kind == 7) records.emplace_back(AllocationSample{time, i, i, StackId::none, 3, 24, 7, (i % 2) == 0});
    if (kind == 8 || kind == 9) {
      GoroutineState state;
      state.goid = i;
      records.emplace_back(state);
    }
    if (kind == 10) records.emplace_back(GoroutinesGone{{i}});
  }
  check_round_trip(records);
  check_round_trip(records, 17);
}

TEST_CASE("goroutines seen by a GC with lists of unequal length are left out") {
  Collector out;
  const auto summary = read_bytes(trace_of({GoroutinesSeen{{1, 2}, {3}, {4, 5}}, End{1, 2}}), "t.gtl", out);
  REQUIRE(summary.ok());
  REQUIRE(out.records.size() == 1);
  CHECK(std::holds_alternative<End>(out.records[0]));
}

TEST_CASE("a chunk is closed when it is large enough or a second has gone by") {
  const TemporaryFolder folder;
  const auto writer = Writer::create(folder / "t.gtl", false);
  REQUIRE(writer.ok());
  Writer& w = **writer;
  CHECK(w.bytes_written() == kFileHeaderBytes);
  w.accept(Park{1'000'000'000, 1, 1});
  w.accept(Park{1'100'000'000, 1, 1});
  CHECK(w.records_written() == 0);
  w.accept(Park{2'000'000'000, 1, 1});
  CHECK(w.records_written() == 3);
  for (std::uint64_t i = 0; i < 60'000; ++i) w.accept(Park{2'000'000'000 + i, i * 1'000, 1});
  CHECK(w.records_written() > 50'000 / 2);
  CHECK(w.records_written() < 60'003);
  CHECK(w.bytes_written() == std::filesystem::file_size(folder / "t.gtl"));
  CHECK(w.finish().ok());
  CHECK(w.finish().ok());  // a second time does nothing
  w.accept(Park{});        // nor does anything after the end
  CHECK(w.records_written() == 60'003);
  Collector out;
  CHECK(read(folder / "t.gtl", out)->records == 60'003);
}

TEST_CASE("very many goroutines that are gone at once are told in several records") {
  GoroutinesGone gone;
  for (std::uint64_t i = 0; i < kMaxElements + 5; ++i) gone.goids.push_back(i * 3);
  Collector out;
  const auto summary = read_bytes(trace_of({gone}), "t.gtl", out);
  REQUIRE(summary->complete);
  std::vector<std::uint64_t> goids;
  for (const Record& record : out.records) {
    const auto& part = std::get<GoroutinesGone>(record).goids;
    goids.insert(goids.end(), part.begin(), part.end());
  }
  CHECK(out.records.size() == 3);
  CHECK(goids == gone.goids);
}

TEST_CASE("a record larger than a reader accepts becomes a loss that is told") {
  AllocationFates fates;
  fates.time_ns = 5;
  fates.dead.resize(kMaxElements + 1);
  Collector out;
  REQUIRE(read_bytes(trace_of({fates, End{6, 1}}), "t.gtl", out)->complete);
  CHECK(texts_of(out.records) == texts_of({Loss{5, "trace_records_too_large", 1}, End{6, 1}}));
}

TEST_CASE("strings are cut at the limit") {
  Collector out;
  REQUIRE(read_bytes(trace_of({Loss{1, std::string(kMaxStringBytes + 9, 'x'), 2}}), "t.gtl", out)->complete);
  CHECK(std::get<Loss>(out.records.at(0)).cause.size() == kMaxStringBytes);
}

TEST_CASE("the summary knows the time from the first to the last record") {
  Collector out;
  const auto summary = read_bytes(trace_of({End{5'000, 1}, Gap{1, 9'000, ""}, End{2'000, 1}}), "t.gtl", out);
  CHECK(summary->first_to_last_ns == 7'000);
}
