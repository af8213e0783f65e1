#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <limits>
#include <memory>
#include <utility>

#include "base/byte_reader.h"
#include "base/result.h"
#include "base/unique_fd.h"

using namespace gotrace;

namespace {
constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();

Bytes bytes_of(std::string_view text) { return std::as_bytes(std::span(text.data(), text.size())); }
bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }
int some_fd() { return ::open("/dev/null", O_RDONLY | O_CLOEXEC); }
}  // namespace

TEST_CASE("Result holds the value or the error, and says when the wrong one is asked for") {
  Result<int> good = 7;
  CHECK(good.ok());
  CHECK(static_cast<bool>(good));
  CHECK(*good == 7);
  CHECK_THROWS_AS(good.error(), std::logic_error);

  const Result<int> bad = Error{ErrorKind::not_permitted, "no"};
  CHECK_FALSE(bad.ok());
  CHECK(bad.error().text == "no");
  CHECK(bad.error().kind == ErrorKind::not_permitted);
  CHECK_THROWS_AS(bad.value(), std::logic_error);
  CHECK(failure("x").kind == ErrorKind::failed);
  CHECK(success().ok());
}

TEST_CASE("Result gives a move-only value away, and one of a string is no error") {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(3);
  const std::unique_ptr<int> taken = std::move(result).value();
  CHECK(*taken == 3);
  CHECK(Result<std::string>(std::string("text"))->size() == 4);
}

TEST_CASE("load refuses whatever is not wholly inside") {
  const std::array<unsigned char, 5> raw = {0x01, 0x02, 0x03, 0x04, 0x05};
  const Bytes bytes = std::as_bytes(std::span(raw));
  CHECK(load<std::uint32_t>(bytes, 0) == 0x04030201U);
  CHECK(load<std::uint32_t>(bytes, 1) == 0x05040302U);
  CHECK_FALSE(load<std::uint32_t>(bytes, 2).has_value());
  CHECK_FALSE(load<std::uint8_t>(bytes, 5).has_value());
  CHECK_FALSE(load<std::uint8_t>(bytes, kMax).has_value());
  CHECK_FALSE(load<std::uint64_t>(bytes, kMax - 3).has_value());
  CHECK_FALSE(load<std::uint8_t>(Bytes{}, 0).has_value());
  CHECK(load_or_zero<std::uint16_t>(bytes, 3) == 0x0504);
  CHECK(load_or_zero<std::uint16_t>(bytes, 4) == 0);
}

TEST_CASE("slice and ByteReader stay inside at hostile lengths") {
  const Bytes bytes = bytes_of("abcdef");
  CHECK(slice(bytes, 2, 4)->size() == 4);
  CHECK(slice(bytes, 6, 0)->empty());
  CHECK_FALSE(slice(bytes, 2, 5).has_value());
  CHECK_FALSE(slice(bytes, 7, 0).has_value());
  CHECK_FALSE(slice(bytes, 1, kMax).has_value());
  CHECK_FALSE(slice(bytes, kMax, 2).has_value());

  ByteReader reader(bytes);
  CHECK(reader.read<char>() == 'a');
  CHECK_FALSE(reader.skip(kMax));
  CHECK_FALSE(reader.take(6).has_value());
  CHECK_FALSE(reader.read<std::uint64_t>().has_value());
  CHECK(reader.offset() == 1);  // failed reads leave it where it was
  CHECK(reader.skip(2));
  CHECK(reader.take(3)->size() == 3);
  CHECK(reader.remaining() == 0);
  CHECK_FALSE(reader.read<char>().has_value());
}

TEST_CASE("c_string needs its NUL within the bytes and the limit") {
  const Bytes bytes = bytes_of(std::string_view("abc\0def", 7));
  CHECK(c_string(bytes, 0) == "abc");
  CHECK(c_string(bytes, 3)->empty());
  CHECK_FALSE(c_string(bytes, 4).has_value());
  CHECK_FALSE(c_string(bytes, 7).has_value());
  CHECK_FALSE(c_string(bytes, kMax).has_value());
  CHECK_FALSE(c_string(bytes, 0, 3).has_value());
  CHECK(c_string(bytes, 0, 4) == "abc");
}

TEST_CASE("UniqueFd closes once, and only what it owns") {
  const int raw = some_fd();
  {
    UniqueFd fd(raw);
    CHECK(fd.valid());
    UniqueFd other(std::move(fd));
    CHECK_FALSE(fd.valid());  // NOLINT(bugprone-use-after-move): the moved-from state is what is tested
    CHECK(is_open(raw));
    UniqueFd& same = other;
    other = std::move(same);
    CHECK(other.get() == raw);
    const int second = some_fd();
    other.reset(second);
    CHECK_FALSE(is_open(raw));
    CHECK(other.release() == second);
    CHECK(is_open(second));
    other.reset(second);
  }
  CHECK_FALSE(is_open(raw));
  CHECK_FALSE(UniqueFd().valid());
}
