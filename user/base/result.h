// Result<T>: a value, or the reason why there is none. For what can fail at run time; programming errors throw.
//
// An Error's text is one line, ready for the user: what was attempted, on what, why it failed, what to do.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>

namespace gotrace {

// The classes of failure that a caller (in the end: the exit code, CONTRACT section 1) must tell apart.
enum class ErrorKind : std::uint8_t {
  failed,         // exit 1
  usage,          // exit 2
  no_target,      // exit 5: no such process, several, or not a Go program
  not_permitted,  // exit 6
};

struct Error {
  ErrorKind kind = ErrorKind::failed;
  std::string text;
};

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT(google-explicit-constructor)
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // REQUIRES ok(); throws std::logic_error otherwise.
  [[nodiscard]] T& value() & {
    require(ok());
    return std::get<0>(state_);
  }
  [[nodiscard]] const T& value() const& {
    require(ok());
    return std::get<0>(state_);
  }
  [[nodiscard]] T&& value() && {
    require(ok());
    return std::move(std::get<0>(state_));
  }
  T& operator*() { return value(); }
  const T& operator*() const { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  // REQUIRES !ok().
  [[nodiscard]] const Error& error() const {
    require(!ok());
    return std::get<1>(state_);
  }

 private:
  static void require(bool condition) {
    if (!condition) throw std::logic_error("Result: the other alternative is held");
  }
  std::variant<T, Error> state_;
};

// For operations that yield nothing but success.
struct Done {};
using Status = Result<Done>;
inline Status success() { return Done{}; }

inline Error failure(std::string text) { return Error{ErrorKind::failed, std::move(text)}; }

}  // namespace gotrace
