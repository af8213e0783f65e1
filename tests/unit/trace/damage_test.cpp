#include <zstd.h>

#include <catch2/catch.hpp>

#include "temporary.h"
#include "trace/format.h"

using namespace gotrace;
using namespace gotrace::trace;
using namespace gotrace::trace::test;

namespace {

bool is_prefix(const std::vector<std::string>& part, const std::vector<std::string>& whole) {
  return part.size() <= whole.size() && std::equal(part.begin(), part.end(), whole.begin());
}

// A file of one chunk, made by hand.
std::string file_of_payload(const std::string& payload, std::uint32_t records, std::uint32_t sequence = 0) {
  std::string frame(ZSTD_compressBound(payload.size()), '\0');
  frame.resize(ZSTD_compress(frame.data(), frame.size(), payload.data(), payload.size(), 1));
  const auto header = encode({.kind = 0,
                              .sequence = sequence,
                              .compressed_bytes = static_cast<std::uint32_t>(frame.size()),
                              .payload_bytes = static_cast<std::uint32_t>(payload.size()),
                              .records = records,
                              .checksum = checksum(std::as_bytes(std::span(frame)))});
  const auto start = file_header();
  return std::string(start.data(), start.size()) + std::string(header.data(), header.size()) + frame;
}

std::string field(unsigned tag, const std::string& bytes) {  // short ones only
  return std::string(1, static_cast<char>(tag << 3 | 2)) + std::string(1, static_cast<char>(bytes.size())) + bytes;
}
std::string long_tag_field(unsigned tag, const std::string& bytes) {
  const unsigned key = tag << 3 | 2;
  return std::string{static_cast<char>((key & 0x7f) | 0x80), static_cast<char>(key >> 7),
                     static_cast<char>(bytes.size())} +
         bytes;
}
std::string number(unsigned tag, unsigned value) { return {static_cast<char>(tag << 3), static_cast<char>(value)}; }

ReadSummary summary_of(const std::string& bytes, Collector& out) {
  const auto summary = read_bytes(bytes, "t.gtl", out);
  REQUIRE(summary.ok());
  return *summary;
}

// Each record in a chunk of its own.
std::string three_chunks() {
  return trace_of({Park{1'000'000'000, 1, 1}, Park{1'500'000'000, 2, 2}, Park{1'800'000'000, 3, 3}}, 1);
}
std::size_t chunk_position(const std::string& bytes, int number) {
  std::size_t at = bytes.find(kSyncMarker);
  for (; number > 0; --number) at = bytes.find(kSyncMarker, at + 1);
  return at;
}
std::vector<std::uint64_t> goids(const Collector& out) {
  std::vector<std::uint64_t> ids;
  for (const Record& record : out.records) ids.push_back(std::get<Park>(record).goid);
  return ids;
}

}  // namespace

TEST_CASE("a trace that is cut anywhere gives its whole chunks and says that it ends early") {
  const auto records = one_of_each();
  const auto whole = texts_of(records);
  const std::string bytes = trace_of(records, 4);
  std::size_t delivered = 0;
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    INFO(size);
    const std::unique_ptr<char[]> exact(new char[size]);  // so that AddressSanitizer sees a read past the end
    std::copy_n(bytes.begin(), size, exact.get());
    Collector out;
    const auto summary = read_bytes({exact.get(), size}, "t.gtl", out);
    if (size < kFileHeaderBytes) {
      CHECK_FALSE(summary.ok());
      continue;
    }
    REQUIRE(summary.ok());
    CHECK_FALSE(summary->complete);
    CHECK(summary->bytes_read <= size);
    CHECK(summary->damaged_chunks == 0);
    CHECK(out.records.size() >= delivered);  // more bytes never give less
    delivered = out.records.size();
    CHECK(is_prefix(texts_of(out.records), whole));
    CHECK_THAT(summary->trouble, Catch::StartsWith("trace ends early at "));
  }
  CHECK(delivered == records.size());  // all but the end record is there at the last
}

TEST_CASE("any single wrong byte costs no more than the chunk it is in") {
  auto records = one_of_each();
  const std::string bytes = trace_of(records, 5);
  const auto whole = texts_of(records);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    for (const int flip : {0x01, 0x80, 0xff}) {
      INFO(i << " ^ " << flip);
      std::string damaged = bytes;
      damaged[i] = static_cast<char>(damaged[i] ^ flip);
      Collector out;
      const auto summary = read_bytes(damaged, "t.gtl", out);
      if (i < 6) {
        CHECK_FALSE(summary.ok());  // magic or major version
        continue;
      }
      REQUIRE(summary.ok());
      if (i < kFileHeaderBytes) {
        CHECK(summary->complete);  // another minor version
        continue;
      }
      CHECK(summary->damaged_chunks == 1);
      CHECK_FALSE(summary->trouble.empty());
      CHECK(out.records.size() + 5 >= records.size());
      CHECK(summary->complete == (i < bytes.size() - kChunkHeaderBytes));
    }
  }
}

TEST_CASE("an early end is told with what is complete") {
  Collector out;
  const std::string bytes = three_chunks();
  const auto summary = summary_of(bytes.substr(0, bytes.size() - kChunkHeaderBytes), out);
  CHECK(summary.records == 3);
  CHECK(summary.trouble ==
        "trace ends early at " + std::to_string(summary.bytes_read) + " B (recorder killed?); 0.8 s are complete");
}

TEST_CASE("a damaged chunk in the middle is left out and the next ones are read") {
  const std::string bytes = three_chunks();
  const std::size_t second = chunk_position(bytes, 1);
  const std::size_t third = chunk_position(bytes, 2);
  std::string damaged = bytes;
  SECTION("payload") { damaged[second + kChunkHeaderBytes + 3] ^= 1; }
  SECTION("length") { damaged[second + 16] ^= 64; }
  SECTION("marker") { damaged[second] ^= 1; }
  SECTION("some of it missing") { damaged.erase(second + 10, 20); }
  SECTION("missing as a whole") { damaged.erase(second, third - second); }
  SECTION("noise before it") {
    damaged.insert(second, std::string(300'000, 'x') + std::string(kSyncMarker));
    damaged[second + 300'000 + 2 * kSyncMarker.size()] ^= 1;
  }
  Collector out;
  const auto summary = summary_of(damaged, out);
  CHECK(summary.complete);
  CHECK(goids(out) == std::vector<std::uint64_t>{1, 3});
  CHECK(summary.damaged_chunks == 1);
  CHECK(summary.trouble == "1 damaged chunk is left out");
}

TEST_CASE("chunks missing before the end record are noticed") {
  std::string bytes = three_chunks();
  const std::size_t third = chunk_position(bytes, 2);
  bytes.erase(third, chunk_position(bytes, 3) - third);
  Collector out;
  CHECK(summary_of(bytes, out).damaged_chunks == 1);
}

TEST_CASE("what is no trace is refused by name") {
  Collector out;
  const auto text = [&out](const std::string& bytes) {
    const auto summary = read_bytes(bytes, "x.gtl", out);
    REQUIRE_FALSE(summary.ok());
    return summary.error().text;
  };
  CHECK(text("") == "x.gtl: empty, not a gotrace-leak trace");
  CHECK(text("hello world") == "x.gtl: not a gotrace-leak trace (wrong magic)");
  CHECK(text("\x89GT") == "x.gtl: the trace ends within its first 8 bytes");
  CHECK(text(std::string("\x89GTL\x02\x00\x07\x00", 8)) ==
        "x.gtl: trace format 2.7 is newer than 1.4, which this gotrace-leak reads; use a newer gotrace-leak");
  CHECK(text(std::string("\x89GTL\x00\x00\x00\x00", 8)) == "x.gtl: unknown trace format 0.0");
}

TEST_CASE("unknown records, fields, kinds and values are left out and counted") {
  Collector out;
  SECTION("a type of record") {
    const auto summary =
        summary_of(file_of_payload(field(1, field(14, number(3, 7))) + field(1, long_tag_field(29, "abc")), 2), out);
    CHECK(summary.unknown_records == 1);
    REQUIRE(out.records.size() == 1);
    CHECK(std::get<Overhead>(out.records[0]).hits == 7);
  }
  SECTION("a field") {
    const auto summary = summary_of(file_of_payload(field(1, field(14, number(3, 7) + number(15, 1))), 1), out);
    CHECK(summary.unknown_fields == 1);
    CHECK(std::get<Overhead>(out.records.at(0)).hits == 7);
  }
  SECTION("the value of an enum") {
    const auto summary = summary_of(file_of_payload(field(1, field(4, number(2, 3))), 1), out);
    CHECK(summary.unknown_records == 1);
    CHECK(out.records.empty());
  }
  SECTION("a number that does not fit") {
    const std::string wide = "\x08\xff\xff\xff\xff\xff\xff\x01";  // Location.id
    CHECK(summary_of(file_of_payload(field(1, field(1, wide)), 1), out).unknown_records == 1);
    CHECK(out.records.empty());
  }
  SECTION("a wire type") {
    CHECK(summary_of(file_of_payload(field(1, field(8, field(3, "abc"))), 1), out).unknown_records == 1);
    CHECK(out.records.empty());
  }
  SECTION("an event kind: the events around it are delivered") {
    const std::string kinds("\x02\x09\x02", 3);
    const std::string times("\x0a\x0a\x0a", 3);
    const std::string ids("\x02\x02\x02", 3);
    const std::string batch = field(1, kinds) + field(2, times) + field(3, ids) + field(15, "new column");
    const auto summary = summary_of(file_of_payload(field(1, long_tag_field(30, batch)), 3), out);
    CHECK(summary.unknown_records == 1);
    CHECK(summary.unknown_fields == 1);
    CHECK(texts_of(out.records) == texts_of({End{5, 1}, End{15, 2}}));
  }
  SECTION("a column that ends early: what came before is delivered") {
    const std::string batch = field(1, "\x02\x02\x02") + field(2, "\x0a\x0a") + field(3, "\x02\x02\x02");
    const auto summary = summary_of(file_of_payload(field(1, long_tag_field(30, batch)), 3), out);
    CHECK(summary.unknown_records == 1);
    CHECK(out.records.size() == 2);
  }
  SECTION("a goroutine in a status that is not known") {
    std::string batch;
    for (unsigned tag = 1; tag <= 12; ++tag) {
      batch += field(tag, tag == 3 ? std::string("\x04\x05", 2) : tag == 12 ? std::string(2, '\0') : "\x02\x02");
    }
    const auto summary = summary_of(file_of_payload(field(1, long_tag_field(31, batch)), 2), out);
    CHECK(summary.unknown_records == 1);
    CHECK(out.records.size() == 1);
  }
}

TEST_CASE("ids that were not defined are delivered as none") {
  Collector out;
  GoroutineState state;
  state.start = LocationId{1};
  state.stack = StackId{0xffffffff};
  const std::vector<Record> records = {LocationRecord{LocationId{1}, 7, {Frame{}}},
                                       LocationRecord{LocationId{1}, 8, {Frame{}}},           // a second time
                                       LocationRecord{LocationId{kMaxId + 1}, 8, {Frame{}}},  // beyond the limit
                                       LocationRecord{LocationId{2}, 8, {}},                  // without a frame
                                       StackRecord{StackId{1}, {LocationId{1}, LocationId{9}}, false},
                                       StackRecord{StackId{0}, {}, false},
                                       Birth{1, 2, LocationId{9}, StackId{1}},
                                       HeapBucket{StackId{3}, 1, 2, 3, 4, 5},
                                       AllocationSample{.stack = StackId{3}},
                                       state};
  const auto summary = summary_of(trace_of(records), out);
  state.stack = StackId::none;
  CHECK(texts_of(out.records) ==
        texts_of({LocationRecord{LocationId{1}, 7, {Frame{}}}, StackRecord{StackId{1}, {LocationId{1}}, true},
                  Birth{1, 2, LocationId::none, StackId{1}}, HeapBucket{StackId::none, 1, 2, 3, 4, 5},
                  AllocationSample{}, state}));
  CHECK(summary.unknown_records == 4);
  CHECK(summary.lost_references == 5);
}

TEST_CASE("sizes that a header must not have are refused") {
  Collector out;
  const auto start = file_header();
  ChunkHeader header{.kind = 0, .records = 1};
  SECTION("compressed") { header.compressed_bytes = kMaxCompressedBytes + 1; }
  SECTION("payload") { header.payload_bytes = kMaxPayloadBytes + 1; }
  SECTION("both as large as can be") { header.compressed_bytes = header.payload_bytes = 0xffffffff; }
  const auto encoded = encode(header);
  const auto summary = summary_of(
      std::string(start.data(), start.size()) + std::string(encoded.data(), encoded.size()) + std::string(100, 'x'),
      out);
  CHECK(summary.damaged_chunks == 1);
  CHECK(out.records.empty());
}

TEST_CASE("a bomb does not go off: no more than the header says is unpacked") {
  std::string bytes = file_of_payload(std::string(32U << 20, '\0'), 1);
  CHECK(bytes.size() < 10'000);
  ChunkHeader header = *decode_chunk_header(std::as_bytes(std::span(bytes)).subspan(kFileHeaderBytes));
  header.payload_bytes = 100;
  const auto encoded = encode(header);
  std::copy(encoded.begin(), encoded.end(), bytes.begin() + kFileHeaderBytes);
  Collector out;
  CHECK(summary_of(bytes, out).damaged_chunks == 1);
}

TEST_CASE("a trace written by version 1.0 stays readable") {
  Collector out;
  const auto summary = read(GOTRACE_SOURCE_DIR "/tests/unit/trace/testdata/v1.gtl", out);
  REQUIRE(summary.ok());
  CHECK(summary->complete);
  CHECK(summary->unknown_records == 0);
  // Fields that later versions add must have the values in one_of_each() that a file without them gives.
  auto expected = one_of_each();
  std::erase_if(expected, [](const Record& record) {  // what 1.0 did not have
    return std::holds_alternative<GoroutinesSeen>(record) || std::holds_alternative<TargetWrite>(record) ||
           std::holds_alternative<ResourceLook>(record) || std::holds_alternative<RetentionLook>(record) ||
           std::holds_alternative<Proof>(record) || std::holds_alternative<HeapRetention>(record);
  });
  CHECK(texts_of(out.records) == texts_of(expected));
}

// Makes testdata/v1.gtl anew: only ever before version 1.0 is released. Not run by default.
TEST_CASE("generate the golden trace", "[.generate]") {
  put_file(GOTRACE_SOURCE_DIR "/tests/unit/trace/testdata/v1.gtl", trace_of(one_of_each(), 7));
}
