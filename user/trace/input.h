// Bytes of a trace as they come: from a file, a pipe or memory. Holds a window, never the whole.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_reader.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace gotrace::trace {

class Input {
 public:
  // `path` "-": stdin. An Error when it can't be opened.
  [[nodiscard]] static Result<Input> open(const std::string& path);
  // `bytes` must outlive the Input.
  [[nodiscard]] static Input of(std::string_view bytes);

  // The next `count` bytes without consuming them; fewer when the input ends before. Valid until the next call.
  [[nodiscard]] Bytes peek(std::size_t count);
  // REQUIRES that as many were seen by peek.
  void consume(std::size_t count);
  // Consumes up to the next occurrence of `marker`, or to the end of the input (false).
  [[nodiscard]] bool seek(std::string_view marker);

  [[nodiscard]] std::uint64_t offset() const { return offset_; }  // of what peek returns, from the beginning
  [[nodiscard]] int error() const { return error_; }              // errno of a failed read, which ends the input; or 0

 private:
  explicit Input(UniqueFd fd) : fd_(std::move(fd)) {}
  explicit Input(std::string_view memory) : memory_(memory) {}
  void fill(std::size_t count);
  [[nodiscard]] std::size_t more(std::span<std::byte> space);  // 0 at the end
  [[nodiscard]] std::size_t held() const { return buffer_end_ - begin_; }

  UniqueFd fd_;              // or,
  std::string_view memory_;  // what is left of it
  std::vector<std::byte> buffer_;
  std::size_t begin_ = 0;
  std::size_t buffer_end_ = 0;
  std::uint64_t offset_ = 0;
  bool ended_ = false;
  int error_ = 0;
};

}  // namespace gotrace::trace
