#include "cli/signals.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>

namespace gotrace::cli {
namespace {

constexpr int kStopSignals[] = {SIGINT, SIGTERM, SIGHUP};

sigset_t watched() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : kStopSignals) sigaddset(&set, number);
  sigaddset(&set, SIGTSTP);
  sigaddset(&set, SIGUSR1);
  return set;
}

}  // namespace

Signals::Signals(bool read_keyboard) {
  const sigset_t set = watched();
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  fd_ = UniqueFd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  termios now{};
  if (!read_keyboard || ::isatty(STDIN_FILENO) != 1 || ::tcgetattr(STDIN_FILENO, &now) != 0) return;
  saved_ = now;
  now.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
  ::tcsetattr(STDIN_FILENO, TCSANOW, &now);
}

Signals::~Signals() {
  if (saved_) ::tcsetattr(STDIN_FILENO, TCSANOW, &*saved_);
  const sigset_t set = watched();
  ::sigprocmask(SIG_UNBLOCK, &set, nullptr);
}

session::Request Signals::wait(std::uint64_t wait_ns) {
  pollfd fds[2] = {{fd_.get(), POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
  const nfds_t count = saved_ ? 2 : 1;
  if (::poll(fds, count, static_cast<int>(wait_ns / 1'000'000U)) <= 0) return session::Request::none;
  if (fds[0].revents != 0) return read_signal();
  return saved_ && fds[1].revents != 0 ? read_key() : session::Request::none;
}

session::Request Signals::read_signal() {
  signalfd_siginfo info{};
  if (::read(fd_.get(), &info, sizeof info) != static_cast<ssize_t>(sizeof info)) return session::Request::none;
  if (info.ssi_signo == SIGUSR1) return session::Request::report;
  if (info.ssi_signo == SIGTSTP) return session::Request::suspend;
  next_signal_kills();
  return session::Request::stop;
}

session::Request Signals::read_key() {
  char key = 0;
  if (::read(STDIN_FILENO, &key, 1) != 1) {
    saved_.reset();  // the keyboard is gone, nothing is left to restore; signals still work
    return session::Request::none;
  }
  return key == 'q' || key == 'Q' ? session::Request::stop : session::Request::none;
}

void Signals::next_signal_kills() {
  if (saved_) ::tcsetattr(STDIN_FILENO, TCSANOW, &*saved_);
  sigset_t set;
  sigemptyset(&set);
  for (const int number : kStopSignals) {
    ::signal(number, SIG_DFL);
    sigaddset(&set, number);
  }
  ::sigprocmask(SIG_UNBLOCK, &set, nullptr);
}

}  // namespace gotrace::cli
