// A child process of a test: started, waited for, always reaped.
#pragma once

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace gotrace::testing {

class Child {
 public:
  // Runs `arguments` (found through PATH); its standard output can be read with line().
  explicit Child(std::vector<std::string> arguments) {
    int ends[2];
    if (::pipe(ends) != 0) throw std::runtime_error("pipe");
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a test that crashes leaves nothing behind
      ::dup2(ends[1], STDOUT_FILENO);
      ::close(ends[0]);
      ::close(ends[1]);
      ::execvp(argv[0], argv.data());
      ::_exit(127);
    }
    ::close(ends[1]);
    output_ = ends[0];
    if (pid_ < 0) throw std::runtime_error("fork");
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    end();
    ::close(output_);
  }

  [[nodiscard]] pid_t pid() const { return pid_; }

  // The next line of its output, without the newline; throws at the end of it.
  std::string line() {
    for (;;) {
      const auto newline = buffer_.find('\n');
      if (newline != std::string::npos) {
        std::string result = buffer_.substr(0, newline);
        buffer_.erase(0, newline + 1);
        return result;
      }
      char chunk[4096];
      const ssize_t got = ::read(output_, chunk, sizeof chunk);
      if (got <= 0) throw std::runtime_error("the child ended its output: " + buffer_);
      buffer_.append(chunk, static_cast<std::size_t>(got));
    }
  }
  // Everything up to the end of its output.
  std::string rest() {
    char chunk[4096];
    for (ssize_t got = 0; (got = ::read(output_, chunk, sizeof chunk)) > 0;) {
      buffer_.append(chunk, static_cast<std::size_t>(got));
    }
    return std::exchange(buffer_, {});
  }
  // Waits for it to end by itself; its exit status, or 128 + signal.
  int wait() {
    int status = 0;
    if (pid_ > 0) ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  void end() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    wait();
  }

 private:
  pid_t pid_ = -1;
  int output_ = -1;
  std::string buffer_;
};

}  // namespace gotrace::testing
