// ByteReader: every byte that comes from the target or a file passes through this gate.
//
// A cursor over bytes that somebody else wrote. Reads past the end yield nullopt and leave the cursor where it is;
// there is no other way in, so a hostile length or offset can't lead outside the span. Little endian (amd64, arm64).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>

namespace gotrace {

using Bytes = std::span<const std::byte>;

// The value of type T at `offset` of `bytes`; nullopt when it does not lie wholly inside.
template <typename T>
[[nodiscard]] std::optional<T> load(Bytes bytes, std::uint64_t offset) {
  static_assert(std::is_trivially_copyable_v<T>);
  if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

// As load, but 0 when outside: only for structs whose whole size was checked before.
template <typename T>
[[nodiscard]] T load_or_zero(Bytes bytes, std::uint64_t offset) {
  return load<T>(bytes, offset).value_or(T{});
}

// bytes[offset, offset + length); nullopt when it does not lie wholly inside (overflow included).
[[nodiscard]] inline std::optional<Bytes> slice(Bytes bytes, std::uint64_t offset, std::uint64_t length) {
  if (offset > bytes.size() || bytes.size() - offset < length) return std::nullopt;
  return bytes.subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(length));
}

class ByteReader {
 public:
  explicit ByteReader(Bytes bytes) : bytes_(bytes) {}

  template <typename T>
  [[nodiscard]] std::optional<T> read() {
    auto value = load<T>(bytes_, offset_);
    if (value) offset_ += sizeof(T);
    return value;
  }
  [[nodiscard]] bool skip(std::uint64_t count) {
    if (bytes_.size() - offset_ < count) return false;
    offset_ += static_cast<std::size_t>(count);
    return true;
  }
  [[nodiscard]] std::optional<Bytes> take(std::uint64_t count) {
    auto part = slice(bytes_, offset_, count);
    if (part) offset_ += part->size();
    return part;
  }
  [[nodiscard]] std::size_t offset() const { return offset_; }
  [[nodiscard]] std::size_t remaining() const { return bytes_.size() - offset_; }

 private:
  Bytes bytes_;
  std::size_t offset_ = 0;
};

// The NUL-terminated string at `offset`, at most `limit` bytes of it; nullopt when there is no NUL within both bounds.
[[nodiscard]] inline std::optional<std::string_view> c_string(Bytes bytes, std::uint64_t offset,
                                                              std::size_t limit = 4096) {
  if (offset >= bytes.size()) return std::nullopt;
  const auto rest = bytes.subspan(static_cast<std::size_t>(offset));
  const std::size_t bound = rest.size() < limit ? rest.size() : limit;
  const auto* begin = reinterpret_cast<const char*>(rest.data());
  const auto* end = static_cast<const char*>(std::memchr(begin, 0, bound));
  if (end == nullptr) return std::nullopt;
  return std::string_view(begin, static_cast<std::size_t>(end - begin));
}

}  // namespace gotrace
