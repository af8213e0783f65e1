#include "process/stopped_target.h"

#include <sys/wait.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <fstream>
#include <limits>
#include <thread>

#include "child.h"
#include "process/proc_text.h"
#include "process/target_lock.h"

namespace gotrace::process {
namespace {

constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();

// Counts as fast as it can; a line of its output is proof of life.
const std::vector<std::string> kCounter{"sh", "-c", "i=0; while :; do i=$((i+1)); echo $i; done"};

// Stands still in a system call once it has said so.
const std::vector<std::string> kSleeper{"sh", "-c", "echo ready; sleep 100 >/dev/null 2>&1; :"};

class Sleeper {
 public:
  Sleeper() : child_(kSleeper) { child_.line(); }
  [[nodiscard]] pid_t pid() const { return child_.pid(); }

 private:
  testing::Child child_;
};

std::uint64_t tracer_of(pid_t pid) {
  const auto status = read_proc_text("/proc/" + std::to_string(pid) + "/status");
  const auto numbers = numbers_after(status.value_or(""), "TracerPid:");
  return numbers.empty() ? 0 : numbers.front();
}

char state_of(pid_t pid) {
  const auto stat = parse_stat(read_proc_text("/proc/" + std::to_string(pid) + "/stat").value_or(""));
  return stat ? stat->state : '?';
}

bool eventually_untraced(pid_t pid) {
  for (int i = 0; i < 500; ++i) {
    if (tracer_of(pid) == 0 && state_of(pid) != 't' && state_of(pid) != 'T') return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

}  // namespace

TEST_CASE("a stopped target stands still, and goes on") {
  const Sleeper child;
  const auto target = Target::open(child.pid());
  REQUIRE(target.ok());
  {
    const auto stopped = StoppedTarget::stop(*target, kNever);
    REQUIRE(stopped.ok());
    CHECK(state_of(child.pid()) == 't');
    REQUIRE(stopped->threads().size() == 1);
    const StoppedThread& thread = stopped->threads().front();
    CHECK(thread.tid == child.pid());
    CHECK(thread.stack_pointer != 0);
    CHECK(thread.in_system_call);  // wait4
    CHECK(thread.registers.size() >= 27);
    CHECK(thread.extended.size() >= 64);  // 512 bytes of the legacy area
  }
  CHECK(eventually_untraced(child.pid()));
}

TEST_CASE("a signal that comes during the stop is delivered") {
  testing::Child child({"sh", "-c", "trap 'echo got; exit 3' USR1; echo ready; while :; do sleep 0.01; done"});
  CHECK(child.line() == "ready");
  const auto target = Target::open(child.pid());
  REQUIRE(target.ok());
  {
    const auto stopped = StoppedTarget::stop(*target, kNever);
    REQUIRE(stopped.ok());
    ::kill(child.pid(), SIGUSR1);
  }
  CHECK(child.line() == "got");
  CHECK(child.wait() == 3);
}

TEST_CASE("when we are killed, the target goes on") {
  const Sleeper child;
  const pid_t tracer = ::fork();
  if (tracer == 0) {
    const auto target = Target::open(child.pid());
    const auto stopped = target.ok() ? StoppedTarget::stop(*target, kNever) : Result<StoppedTarget>(target.error());
    if (stopped.ok()) ::kill(::getpid(), SIGKILL);
    ::_exit(1);
  }
  int status = 0;
  ::waitpid(tracer, &status, 0);
  REQUIRE(WIFSIGNALED(status));
  CHECK(eventually_untraced(child.pid()));
}

TEST_CASE("a target that somebody else traces is left alone, and that is said") {
  const Sleeper child;
  const auto target = Target::open(child.pid());
  REQUIRE(target.ok());
  const auto stopped = StoppedTarget::stop(*target, kNever);
  REQUIRE(stopped.ok());
  const pid_t other = ::fork();
  if (other == 0) {
    const auto again = StoppedTarget::stop(*target, kNever);
    const bool said = !again.ok() && again.error().text.find("traces it already") != std::string::npos;
    ::_exit(said ? 0 : 1);
  }
  int status = 0;
  ::waitpid(other, &status, 0);
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("one lock for each process, given back at its end") {
  const Sleeper child;
  const auto target = Target::open(child.pid());
  REQUIRE(target.ok());
  {
    const auto lock = TargetLock::take(*target);
    REQUIRE(lock.ok());
    const auto again = TargetLock::take(*target);
    REQUIRE_FALSE(again.ok());
    CHECK(again.error().text.find("another gotrace-leak prove") != std::string::npos);
  }
  CHECK(TargetLock::take(*target).ok());
}

TEST_CASE("all threads stop, those started meanwhile among them") {
  testing::Child child(kCounter);
  CHECK(child.line() == "1");
  const auto target = Target::open(child.pid());
  REQUIRE(target.ok());
  for (int i = 0; i < 20; ++i) {
    const auto stopped = StoppedTarget::stop(*target, kNever);
    REQUIRE(stopped.ok());
  }
  CHECK(eventually_untraced(child.pid()));
}

}  // namespace gotrace::process
