// Signals of a live run (CONTRACT section 1): SIGINT, SIGTERM, SIGHUP once end it gracefully, twice at once with 128+n;
// SIGTSTP asks for a suspension; SIGUSR1 for a report. SIGPIPE is ignored: a closed stdout is an error of write().
#pragma once

#include <termios.h>

#include <cstdint>
#include <optional>

#include "base/result.h"
#include "session/session.h"

namespace gotrace::cli {

// One at a time in a process: signal handlers are the process's.
class Signals {
 public:
  [[nodiscard]] static Result<Signals> install();
  Signals(Signals&& other) noexcept;
  Signals& operator=(Signals&&) = delete;
  ~Signals();

  // Waits up to `wait_ns` for a signal, for the reader of stdout to go away where `watch_stdout`, and for a key on
  // stdin where `watch_keys`. A stop, once asked for, is answered for ever.
  [[nodiscard]] session::Request wait(std::uint64_t wait_ns, bool watch_stdout, bool watch_keys);
  [[nodiscard]] bool stdout_was_closed() const { return stdout_closed_; }

  // Stops this process as SIGTSTP would; returns after SIGCONT.
  void stop_until_continued();

  // What a second signal puts back before it ends the process. nullptr: nothing.
  static void restore_terminal_on_exit(const termios* saved);

 private:
  Signals() = default;
  [[nodiscard]] std::optional<session::Request> take_signal();
  bool installed_ = false;
  bool stopping_ = false;
  bool stdout_closed_ = false;
  bool stdin_ended_ = false;
};

// SIGPIPE ignored for the whole process: every command writes to stdout.
void ignore_sigpipe();

}  // namespace gotrace::cli
