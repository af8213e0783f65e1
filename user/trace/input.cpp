#include "trace/input.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/private_file.h"

namespace gotrace::trace {
namespace {

constexpr std::size_t kReadBytes = 256U << 10;

}  // namespace

Result<Input> Input::open(const std::string& path) {
  const bool standard = path == "-";
  UniqueFd fd(standard ? ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0) : ::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) {
    return failure(fmt::format("{}: can't open the trace: {}", standard ? "stdin" : path, system_text(errno)));
  }
  return Input(std::move(fd));
}

Input Input::of(std::string_view bytes) { return Input(bytes); }

std::size_t Input::more(std::span<std::byte> space) {
  if (!fd_) {
    const std::size_t count = std::min(space.size(), memory_.size());
    std::memcpy(space.data(), memory_.data(), count);
    memory_.remove_prefix(count);
    return count;
  }
  ssize_t count = 0;
  do {
    count = ::read(fd_.get(), space.data(), space.size());
  } while (count < 0 && errno == EINTR);
  if (count >= 0) return static_cast<std::size_t>(count);
  error_ = errno;
  return 0;
}

// Makes the window hold `count` bytes, if the input has them.
void Input::fill(std::size_t count) {
  if (held() >= count || ended_) return;
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, held());
    buffer_end_ = held();
    begin_ = 0;
  }
  while (buffer_end_ < count && !ended_) {
    // Grows with what really comes: a length in a hostile header alone allocates nothing.
    if (buffer_.size() < buffer_end_ + kReadBytes) buffer_.resize(buffer_end_ + kReadBytes);
    const std::size_t read = more(std::span(buffer_).subspan(buffer_end_));
    ended_ = read == 0;
    buffer_end_ += read;
  }
}

Bytes Input::peek(std::size_t count) {
  fill(count);
  return Bytes(buffer_).subspan(begin_, std::min(count, held()));
}

void Input::consume(std::size_t count) {
  const std::size_t taken = std::min(count, held());
  begin_ += taken;
  offset_ += taken;
}

bool Input::seek(std::string_view marker) {
  for (;;) {
    const Bytes window = peek(std::max(held(), marker.size()));
    if (window.size() < marker.size()) {
      consume(window.size());
      return false;
    }
    const std::string_view text(reinterpret_cast<const char*>(window.data()), window.size());
    const std::size_t found = text.find(marker);
    if (found != std::string_view::npos) {
      consume(found);
      return true;
    }
    consume(window.size() - marker.size() + 1);  // the marker may have begun at the end of the window
  }
}

}  // namespace gotrace::trace
