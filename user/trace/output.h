// The file a trace goes to: created with care, written chunk by chunk, never left with half a chunk where that can be
// helped.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"

namespace gotrace::trace {

class Output {
 public:
  // See Writer::create.
  [[nodiscard]] static Result<Output> create(const std::string& path, bool replace);
  // Writes to `fd`, whatever it is; `name` is for error texts. What is there already stays.
  [[nodiscard]] static Output on(UniqueFd fd, std::string name);

  // Writes all of `bytes`, or an Error; then a file that create() made ends after the last whole append.
  [[nodiscard]] Status append(std::string_view bytes);
  [[nodiscard]] Status close();  // some file systems tell of a full disk only now
  [[nodiscard]] std::uint64_t bytes_written() const { return written_; }  // by whole appends

 private:
  Output(UniqueFd fd, std::string name, bool own_file) : fd_(std::move(fd)), name_(std::move(name)), own_(own_file) {}
  [[nodiscard]] Error error(int code) const;

  UniqueFd fd_;
  std::string name_;
  bool own_;  // begins where the file begins, and may be shortened
  std::uint64_t written_ = 0;
};

}  // namespace gotrace::trace
