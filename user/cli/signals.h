// Signals and the keyboard, as requests to a live session (CONTRACT section 1).
#pragma once

#include <termios.h>

#include <cstdint>
#include <optional>

#include "base/unique_fd.h"
#include "session/session.h"

namespace gotrace::cli {

// While it lives: SIGINT, SIGTERM, SIGHUP, SIGTSTP and SIGUSR1 are read instead of delivered, SIGPIPE is ignored, and, if
// asked for, 'q' on the terminal stops. After the first stop request the stop signals have their default effect again, so
// that a second one ends us at once (128 + n for the shell; the kernel detaches the probes).
class Signals {
 public:
  explicit Signals(bool read_keyboard);
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  // Sleeps up to wait_ns; returns early with the first request.
  [[nodiscard]] session::Request wait(std::uint64_t wait_ns);

 private:
  [[nodiscard]] session::Request read_signal();
  [[nodiscard]] session::Request read_key();
  void next_signal_kills();

  UniqueFd fd_;
  std::optional<termios> saved_;
};

}  // namespace gotrace::cli
