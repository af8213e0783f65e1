// Records that are stored one by one: their members as protobuf fields, by the lists of schema.h.
#pragma once

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "trace/enums.h"
#include "trace/format.h"
#include "trace/schema.h"

namespace gotrace::trace {

// Called by Schema<R>::visit for each member; appends it to the message.
class FieldWriter {
 public:
  FieldWriter(protozero::pbf_writer& out, bool& fits) : out_(out), fits_(fits) {}

  void operator()(std::uint32_t tag, bool value) { out_.add_bool(tag, value); }
  void operator()(std::uint32_t tag, double value) { out_.add_double(tag, value); }
  template <std::unsigned_integral T>
  void operator()(std::uint32_t tag, T value) {
    out_.add_uint64(tag, value);
  }
  template <std::signed_integral T>
  void operator()(std::uint32_t tag, T value) {
    out_.add_sint64(tag, value);
  }
  template <typename T>
  requires std::is_enum_v<T>
  void operator()(std::uint32_t tag, T value) { out_.add_uint64(tag, static_cast<std::uint64_t>(value)); }
  void operator()(std::uint32_t tag, const std::string& value) {
    out_.add_bytes(tag, value.data(), std::min(value.size(), kMaxStringBytes));
  }
  template <typename T>
  void operator()(std::uint32_t tag, const std::optional<T>& value) {
    if (value) (*this)(tag, *value);
  }
  template <std::size_t N>
  void operator()(std::uint32_t tag, const std::array<std::uint64_t, N>& values) {
    out_.add_packed_uint64(tag, values.begin(), values.end());
  }
  template <typename T>
  void operator()(std::uint32_t tag, const std::vector<T>& values) {
    if (values.size() > kMaxElements) {
      fits_ = false;
    } else {
      list(tag, values);
    }
  }

 private:
  void list(std::uint32_t tag, const std::vector<std::uint64_t>& values) {  // ids, mostly rising: as differences
    protozero::packed_field_sint64 field(out_, tag);
    std::uint64_t previous = 0;
    for (const std::uint64_t value : values) {
      field.add_element(static_cast<std::int64_t>(value - previous));
      previous = value;
    }
  }
  void list(std::uint32_t tag, const std::vector<std::uint32_t>& values) {
    out_.add_packed_uint32(tag, values.begin(), values.end());
  }
  void list(std::uint32_t tag, const std::vector<LocationId>& values) {
    protozero::packed_field_uint32 field(out_, tag);
    for (const LocationId value : values) field.add_element(static_cast<std::uint32_t>(value));
  }
  void list(std::uint32_t tag, const std::vector<std::string>& values) {
    for (const std::string& value : values) (*this)(tag, value);
  }
  template <typename R>
  void list(std::uint32_t tag, const std::vector<R>& values) {
    for (const R& value : values) {
      protozero::pbf_writer message(out_, tag);
      FieldWriter fields(message, fits_);
      Schema<R>::visit(fields, value);
    }
  }

  protozero::pbf_writer& out_;
  bool& fits_;  // set to false when the record is larger than a reader accepts
};

// What came to light while a message was read.
struct Findings {
  bool valid = true;  // every value was one that this version knows
  std::uint64_t unknown_fields = 0;
};

template <typename R>
void read_fields(protozero::pbf_reader in, R& record, Findings& findings);

// Called by Schema<R>::visit for each member; takes the one whose number the field at hand has.
class FieldReader {
 public:
  FieldReader(protozero::pbf_reader& in, Findings& findings) : in_(in), findings_(findings) {}
  [[nodiscard]] bool taken() const { return taken_; }

  template <typename T>
  void operator()(std::uint32_t tag, T& value) {
    if (taken_ || in_.tag() != tag) return;
    taken_ = true;
    take(value);
  }

 private:
  bool expect(protozero::pbf_wire_type type) {
    if (in_.wire_type() == type) return true;
    findings_.valid = false;
    in_.skip();
    return false;
  }
  bool expect_varint() { return expect(protozero::pbf_wire_type::varint); }
  bool expect_bytes() { return expect(protozero::pbf_wire_type::length_delimited); }

  template <typename T>
  void narrow(auto wide, T& value) {
    if (wide < std::numeric_limits<T>::min() || wide > std::numeric_limits<T>::max()) {
      findings_.valid = false;
    } else {
      value = static_cast<T>(wide);
    }
  }

  void take(bool& value) {
    if (expect_varint()) value = in_.get_uint64() != 0;
  }
  void take(double& value) {
    if (expect(protozero::pbf_wire_type::fixed64)) value = in_.get_double();
  }
  template <std::unsigned_integral T>
  void take(T& value) {
    if (expect_varint()) narrow(in_.get_uint64(), value);
  }
  template <std::signed_integral T>
  void take(T& value) {
    if (expect_varint()) narrow(in_.get_sint64(), value);
  }
  template <Id T>
  void take(T& value) {
    std::uint32_t number = 0;
    take(number);
    value = static_cast<T>(number);
  }
  template <Enum T>
  void take(T& value) {
    if (!expect_varint()) return;
    const auto known = to_enum<T>(in_.get_uint64());
    findings_.valid = findings_.valid && known.has_value();
    value = known.value_or(T{});
  }
  void take(std::string& value) {
    if (!expect_bytes()) return;
    const auto bytes = in_.get_view();
    value.assign(bytes.data(), std::min(bytes.size(), kMaxStringBytes));
  }
  template <typename T>
  void take(std::optional<T>& value) {
    take(value.emplace());
  }
  template <std::size_t N>
  void take(std::array<std::uint64_t, N>& values) {
    if (!expect_bytes()) return;
    std::size_t i = 0;
    for (const std::uint64_t value : in_.get_packed_uint64()) {
      if (i == N) {
        findings_.valid = false;
        return;
      }
      values[i++] = value;
    }
  }
  template <typename T>
  [[nodiscard]] bool room(const std::vector<T>& values) {
    findings_.valid = findings_.valid && values.size() < kMaxElements;
    return findings_.valid;
  }
  void take(std::vector<std::uint64_t>& values) {
    if (!expect_bytes()) return;
    std::uint64_t value = 0;
    for (const std::int64_t difference : in_.get_packed_sint64()) {
      if (!room(values)) return;
      value += static_cast<std::uint64_t>(difference);
      values.push_back(value);
    }
  }
  template <typename T>
  requires std::is_same_v<T, std::uint32_t> || std::is_same_v<T, LocationId>
  void take(std::vector<T>& values) {
    if (!expect_bytes()) return;
    for (const std::uint64_t wide : in_.get_packed_uint64()) {
      if (!room(values)) return;
      std::uint32_t value = 0;
      narrow(wide, value);
      values.push_back(static_cast<T>(value));
    }
  }
  void take(std::vector<std::string>& values) {
    if (room(values)) {
      take(values.emplace_back());
    } else {
      in_.skip();
    }
  }
  template <typename R>
  void take(std::vector<R>& values) {
    if (!expect_bytes()) return;
    const auto message = in_.get_view();
    if (room(values)) read_fields(protozero::pbf_reader(message), values.emplace_back(), findings_);
  }

  protozero::pbf_reader& in_;
  Findings& findings_;
  bool taken_ = false;
};

// Throws protozero::exception where the message is not well formed.
template <typename R>
void read_fields(protozero::pbf_reader in, R& record, Findings& findings) {
  while (in.next()) {
    FieldReader field(in, findings);
    Schema<R>::visit(field, record);
    if (!field.taken()) {
      in.skip();
      ++findings.unknown_fields;
    }
  }
}

}  // namespace gotrace::trace
