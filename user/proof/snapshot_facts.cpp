#include "proof/snapshot_facts.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <string>
#include <string_view>

namespace gotrace::proof {
namespace {

constexpr std::uint64_t kLongestText = 4096 + 16;  // PATH_MAX, and " (deleted)"
constexpr std::uint64_t kMostRegisters = 64;
constexpr std::uint64_t kMostExtended = (16U << 10) / 8;  // XSAVE areas are below 12 KiB up to AMX

class Encoder {
 public:
  Encoder& add(std::uint64_t value) {
    const auto bytes = std::as_bytes(std::span(&value, 1));
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  Encoder& add(std::string_view text) {
    text = text.substr(0, kLongestText);
    add(text.size());
    const auto bytes = std::as_bytes(std::span(text));
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  Encoder& add(std::span<const std::uint64_t> words) {
    add(words.size());
    for (const std::uint64_t word : words) add(word);
    return *this;
  }
  [[nodiscard]] std::vector<std::byte> take() { return std::move(bytes_); }

 private:
  std::vector<std::byte> bytes_;
};

// Everything after the first thing that is not there is empty.
class Decoder {
 public:
  explicit Decoder(Bytes bytes) : reader_(bytes) {}
  Decoder& get(std::uint64_t& value) {
    const auto read = reader_.read<std::uint64_t>();
    whole_ = whole_ && read.has_value();
    value = whole_ ? *read : 0;
    return *this;
  }
  Decoder& get(bool& value) {
    std::uint64_t number = 0;
    get(number);
    value = number != 0;
    return *this;
  }
  Decoder& get(std::int64_t& value) {
    std::uint64_t number = 0;
    get(number);
    value = std::bit_cast<std::int64_t>(number);
    return *this;
  }
  Decoder& get(std::int32_t& value) {
    std::uint64_t number = 0;
    get(number);
    whole_ = whole_ && number <= static_cast<std::uint64_t>(std::numeric_limits<std::int32_t>::max());
    value = whole_ ? static_cast<std::int32_t>(number) : 0;
    return *this;
  }
  Decoder& get(std::string& text) {
    std::uint64_t size = 0;
    get(size);
    const auto bytes = size <= kLongestText ? reader_.take(size) : std::nullopt;
    whole_ = whole_ && bytes.has_value();
    if (whole_) text.assign(reinterpret_cast<const char*>(bytes->data()), bytes->size());
    return *this;
  }
  Decoder& get(std::vector<std::uint64_t>& words, std::uint64_t most) {
    std::uint64_t count = 0;
    get(count);
    whole_ = whole_ && count <= most && count <= reader_.remaining() / 8;
    if (whole_) words.resize(static_cast<std::size_t>(count));
    for (std::uint64_t& word : words) get(word);
    return *this;
  }
  [[nodiscard]] bool whole() const { return whole_; }

 private:
  ByteReader reader_;
  bool whole_ = true;
};

std::uint64_t bits(std::int64_t value) { return std::bit_cast<std::uint64_t>(value); }

}  // namespace

std::vector<std::byte> encode(const SnapshotFacts& facts) {
  const auto& process = facts.process;
  Encoder into;
  into.add(bits(facts.wall_ns)).add(facts.stopped_ns).add(facts.resumed_ns).add(facts.pause_ns);
  into.add(facts.prediction.pause_ns).add(facts.prediction.to_copy_bytes).add(facts.copied_bytes);
  into.add(std::uint64_t{facts.foreign_complete}).add(facts.executable_bytes);
  into.add(static_cast<std::uint64_t>(process.pid)).add(static_cast<std::uint64_t>(process.ns_pid));
  into.add(std::uint64_t{process.exe_deleted}).add(bits(process.started_wall_ns)).add(process.started_ns);
  into.add(process.load_bias).add(process.host).add(process.cgroup).add(process.exe);
  return into.take();
}

std::optional<SnapshotFacts> decode_facts(Bytes bytes) {
  SnapshotFacts facts;
  auto& process = facts.process;
  Decoder from(bytes);
  from.get(facts.wall_ns).get(facts.stopped_ns).get(facts.resumed_ns).get(facts.pause_ns);
  from.get(facts.prediction.pause_ns).get(facts.prediction.to_copy_bytes).get(facts.copied_bytes);
  from.get(facts.foreign_complete).get(facts.executable_bytes);
  from.get(process.pid).get(process.ns_pid).get(process.exe_deleted);
  from.get(process.started_wall_ns).get(process.started_ns);
  from.get(process.load_bias).get(process.host).get(process.cgroup).get(process.exe);
  return from.whole() ? std::optional(std::move(facts)) : std::nullopt;
}

std::vector<std::byte> encode(const process::StoppedThread& thread) {
  Encoder into;
  into.add(static_cast<std::uint64_t>(thread.tid)).add(thread.program_counter).add(thread.stack_pointer);
  into.add(thread.thread_pointer).add(std::uint64_t{thread.in_system_call});
  into.add(std::span<const std::uint64_t>(thread.registers)).add(std::span<const std::uint64_t>(thread.extended));
  return into.take();
}

std::optional<process::StoppedThread> decode_thread(Bytes bytes) {
  process::StoppedThread thread;
  Decoder from(bytes);
  from.get(thread.tid).get(thread.program_counter).get(thread.stack_pointer);
  from.get(thread.thread_pointer).get(thread.in_system_call);
  from.get(thread.registers, kMostRegisters).get(thread.extended, kMostExtended);
  return from.whole() ? std::optional(std::move(thread)) : std::nullopt;
}

std::vector<std::byte> encode(std::span<const process::MemoryRange> ranges) {
  Encoder into;
  for (const auto& range : ranges) into.add(range.begin).add(range.end);
  return into.take();
}

std::optional<std::vector<process::MemoryRange>> decode_ranges(Bytes bytes) {
  std::vector<process::MemoryRange> ranges(bytes.size() / 16);
  Decoder from(bytes);
  for (auto& range : ranges) from.get(range.begin).get(range.end);
  const bool sound = std::ranges::all_of(ranges, [](const auto& range) { return range.begin < range.end; });
  return sound && bytes.size() % 16 == 0 ? std::optional(std::move(ranges)) : std::nullopt;
}

}  // namespace gotrace::proof
