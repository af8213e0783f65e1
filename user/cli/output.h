// Where results go: stdout or a file. Files are made afresh, never through a link, readable by their owner only.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"

namespace gotrace::cli {

class Output {
 public:
  // `path` empty or "-": stdout. Fails when the file exists, unless `replace`. Opened before the work begins, so that a
  // name that can't be written is known at once.
  [[nodiscard]] static Result<Output> open(const std::string& path, bool replace);
  Output(Output&&) = default;
  Output& operator=(Output&&) = default;
  ~Output();

  [[nodiscard]] bool is_stdout() const { return !file_.valid(); }
  // Writes all of `text`, or says why not. For a file: on disk when finish() was called.
  [[nodiscard]] Status write(std::string_view text);
  // Puts the file in its place and says "wrote FILE" on stderr.
  [[nodiscard]] Status finish();
  [[nodiscard]] bool broken_pipe() const { return broken_pipe_; }  // stdout was closed by its reader

 private:
  Output() = default;
  std::string path_, temporary_;  // temporary_: empty once in place
  UniqueFd file_;
  bool replace_ = false;
  bool broken_pipe_ = false;
};

// True when the reader of stdout has gone.
[[nodiscard]] bool stdout_closed();

}  // namespace gotrace::cli
