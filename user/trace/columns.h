// A column: the same member of many records, one varint each. Columns of neighbours compress far better than records.
#pragma once

#include <cstdint>
#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>
#include <protozero/varint.hpp>
#include <string>

namespace gotrace::trace {

class ColumnWriter {
 public:
  void put(std::uint64_t value) {
    while (value >= 0x80) {
      bytes_.push_back(static_cast<char>(value | 0x80));
      value >>= 7;
    }
    bytes_.push_back(static_cast<char>(value));
  }
  // The difference to the last value given to put_delta; it wraps, so that any two values work.
  void put_delta(std::uint64_t value) { put_difference(value, previous_); }
  void put_difference(std::uint64_t value, std::uint64_t& previous) {
    put(protozero::encode_zigzag64(static_cast<std::int64_t>(value - previous)));
    previous = value;
  }
  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  // Adds the column to the message, unless it is empty, and starts it anew.
  void move_into(protozero::pbf_writer& message, std::uint32_t tag) {
    if (!bytes_.empty()) message.add_bytes(tag, bytes_);
    bytes_.clear();
    previous_ = 0;
  }

 private:
  std::string bytes_;
  std::uint64_t previous_ = 0;
};

// The other direction. A column that ends too early throws protozero::exception, as all malformed input does.
class ColumnReader {
 public:
  ColumnReader() = default;
  explicit ColumnReader(protozero::data_view bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}
  [[nodiscard]] bool empty() const { return at_ == end_; }
  [[nodiscard]] std::uint64_t get() { return protozero::decode_varint(&at_, end_); }
  [[nodiscard]] std::uint64_t get_delta() { return get_difference(previous_); }
  [[nodiscard]] std::uint64_t get_difference(std::uint64_t& previous) {
    previous += static_cast<std::uint64_t>(protozero::decode_zigzag64(get()));
    return previous;
  }

 private:
  const char* at_ = nullptr;
  const char* end_ = nullptr;
  std::uint64_t previous_ = 0;
};

}  // namespace gotrace::trace
