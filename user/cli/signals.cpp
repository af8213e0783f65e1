#include "cli/signals.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

namespace gotrace::cli {

namespace {

constexpr int kHandled[] = {SIGINT, SIGTERM, SIGHUP, SIGTSTP, SIGUSR1};

// What a handler may touch; sigaction leaves no other way to hand it anything. Lock-free atomics only.
struct HandlerState {
  std::atomic<int> pipe_write{-1};
  std::atomic<int> pipe_read{-1};
  std::atomic<bool> stop_asked{false};
  std::atomic<const termios*> terminal{nullptr};
};
HandlerState& handler_state() {
  static HandlerState state;
  return state;
}

extern "C" void on_signal(int number) {
  const int saved_errno = errno;
  HandlerState& state = handler_state();
  const bool ends = number == SIGINT || number == SIGTERM || number == SIGHUP;
  if (ends && state.stop_asked.exchange(true)) {
    // The kernel takes the probes out when our descriptors close; the trace is readable up to its last chunk.
    if (const termios* terminal = state.terminal.load()) ::tcsetattr(STDIN_FILENO, TCSANOW, terminal);
    ::_exit(128 + number);
  }
  const auto byte = static_cast<unsigned char>(number);
  // A full pipe holds signals enough.
  if (::write(state.pipe_write.load(), &byte, 1) < 0) errno = saved_errno;
  errno = saved_errno;
}

void set_handler(int number, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  ::sigaction(number, &action, nullptr);
}

bool ignored_from_outside(int number) {
  struct sigaction action {};
  return ::sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

bool pressed_quit(bool& ended) {
  char keys[64];
  const ssize_t count = ::read(STDIN_FILENO, keys, sizeof keys);
  if (count <= 0) ended = true;
  for (ssize_t i = 0; i < count; ++i)
    if (keys[i] == 'q' || keys[i] == 'Q') return true;
  return false;
}

}  // namespace

void ignore_sigpipe() { set_handler(SIGPIPE, SIG_IGN); }

Result<Signals> Signals::install() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
    return failure(std::string("can't make a pipe for signals: ") + std::strerror(errno));
  HandlerState& state = handler_state();  // also: initialised here, never first in a handler
  state.pipe_read = ends[0];
  state.pipe_write = ends[1];
  state.stop_asked = false;
  for (const int number : kHandled)
    if (!ignored_from_outside(number)) set_handler(number, on_signal);  // nohup's SIGHUP stays ignored
  Signals signals;
  signals.installed_ = true;
  return signals;
}

Signals::Signals(Signals&& other) noexcept
    : installed_(std::exchange(other.installed_, false)),
      stopping_(other.stopping_),
      stdout_closed_(other.stdout_closed_),
      stdin_ended_(other.stdin_ended_) {}

Signals::~Signals() {
  if (!installed_) return;
  for (const int number : kHandled)
    if (!ignored_from_outside(number)) set_handler(number, SIG_DFL);
  HandlerState& state = handler_state();
  ::close(state.pipe_read.exchange(-1));
  ::close(state.pipe_write.exchange(-1));
}

void Signals::restore_terminal_on_exit(const termios* saved) { handler_state().terminal = saved; }

std::optional<session::Request> Signals::take_signal() {
  unsigned char number = 0;
  if (::read(handler_state().pipe_read.load(), &number, 1) != 1) return std::nullopt;
  if (number == SIGUSR1) return session::Request::report;
  if (number == SIGTSTP) return session::Request::suspend;
  stopping_ = true;
  return session::Request::stop;
}

session::Request Signals::wait(std::uint64_t wait_ns, bool watch_stdout, bool watch_keys) {
  if (stopping_) return session::Request::stop;
  // A negative descriptor is left out of the poll.
  pollfd watched[] = {{handler_state().pipe_read.load(), POLLIN, 0},
                      {watch_stdout ? STDOUT_FILENO : -1, 0, 0},
                      {watch_keys && !stdin_ended_ ? STDIN_FILENO : -1, POLLIN, 0}};
  const timespec timeout{static_cast<time_t>(wait_ns / 1'000'000'000), static_cast<long>(wait_ns % 1'000'000'000)};
  if (::ppoll(watched, 3, &timeout, nullptr) <= 0) return take_signal().value_or(session::Request::none);
  if (const auto request = take_signal()) return *request;
  if ((watched[1].revents & (POLLERR | POLLNVAL)) != 0) {
    stdout_closed_ = stopping_ = true;
    return session::Request::stop;
  }
  if (watched[2].revents != 0 && pressed_quit(stdin_ended_)) {
    stopping_ = true;
    return session::Request::stop;
  }
  return session::Request::none;
}

void Signals::stop_until_continued() { ::kill(::getpid(), SIGSTOP); }

}  // namespace gotrace::cli
