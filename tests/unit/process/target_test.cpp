#include "process/target.h"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>

#include "child.h"

namespace gotrace::process {
namespace {

using testing::Child;

std::string text_of(const Result<Target>& target) { return target ? "opened" : target.error().text; }
ErrorKind kind_of(const Result<Target>& target) { return target.error().kind; }

class ScratchFolder {
 public:
  ScratchFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "gotrace-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~ScratchFolder() { std::filesystem::remove_all(path_); }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

std::uint64_t now_ns(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

// Until then the child runs this test's executable.
void wait_for_exec(pid_t pid) {
  const auto own = std::filesystem::read_symlink("/proc/self/exe");
  for (int i = 0; i < 1000; ++i) {
    std::error_code error;
    if (std::filesystem::read_symlink("/proc/" + std::to_string(pid) + "/exe", error) != own) return;
    ::usleep(1000);
  }
  FAIL("the child did not exec");
}

}  // namespace

TEST_CASE("a target tells what it is and when it ends") {
  Child child({"sleep", "60"});
  wait_for_exec(child.pid());
  auto target = Target::open(child.pid());
  REQUIRE(text_of(target) == "opened");
  CHECK(target->pid() == child.pid());
  CHECK(std::filesystem::path(target->exe()).filename().string().find("sleep") != std::string::npos);
  CHECK_FALSE(target->exe_deleted());
  CHECK(target->exe_fd() >= 0);
  CHECK(target->alive());

  constexpr std::uint64_t kSlack = 2'000'000'000;  // start times are in clock ticks
  CHECK(target->started_ns() <= now_ns(CLOCK_MONOTONIC));
  CHECK(target->started_ns() + kSlack > now_ns(CLOCK_MONOTONIC));
  CHECK(target->started_wall_ns() + static_cast<std::int64_t>(kSlack) >
        static_cast<std::int64_t>(now_ns(CLOCK_REALTIME)));

  const auto is_code = [&](const Mapping& mapping) { return mapping.executable && mapping.path == target->exe(); };
  auto mappings = target->mappings();
  // An exec names its file before it has mapped all of it.
  for (int i = 0; i < 1000 && mappings && std::ranges::none_of(*mappings, is_code); ++i) {
    ::usleep(1000);
    mappings = target->mappings();
  }
  REQUIRE(mappings.ok());
  const auto code = std::ranges::find_if(*mappings, is_code);
  REQUIRE(code != mappings->end());
  CHECK(code->inode != 0);
  CHECK(code->readable);
  CHECK_FALSE(code->writable);
  CHECK(code->begin < code->end);
  CHECK(target->memory().value<std::uint8_t>(code->begin).has_value());

  child.end();
  CHECK_FALSE(target->alive());
  CHECK_FALSE(target->mappings().ok());
}

TEST_CASE("an executable that was removed is still opened") {
  const ScratchFolder folder;
  const auto copy = folder.path() / "sleeper";
  std::filesystem::copy_file("/bin/sleep", copy);
  Child child({copy.string(), "60"});
  wait_for_exec(child.pid());
  std::filesystem::remove(copy);
  const auto target = Target::open(child.pid());
  REQUIRE(text_of(target) == "opened");
  CHECK(target->exe() == copy.string());
  CHECK(target->exe_deleted());
  CHECK(target->alive());
  std::array<char, 4> magic{};
  REQUIRE(::pread(target->exe_fd(), magic.data(), magic.size(), 0) == 4);
  CHECK(std::string_view(magic.data() + 1, 3) == "ELF");
}

TEST_CASE("a name that ends in (deleted) is a name") {
  const ScratchFolder folder;
  const auto copy = folder.path() / "sleeper (deleted)";
  std::filesystem::copy_file("/bin/sleep", copy);
  Child child({copy.string(), "60"});
  wait_for_exec(child.pid());
  const auto target = Target::open(child.pid());
  REQUIRE(text_of(target) == "opened");
  CHECK(target->exe() == copy.string());
  CHECK_FALSE(target->exe_deleted());
}

TEST_CASE("a process that executes another program is another target") {
  const ScratchFolder folder;
  const std::string go = (folder.path() / "go").string();
  Child child({"sh", "-c", "while [ ! -e '" + go + "' ]; do sleep 0.02; done; exec sleep 60"});
  wait_for_exec(child.pid());
  const auto target = Target::open(child.pid());
  REQUIRE(text_of(target) == "opened");
  CHECK(target->alive());
  std::ofstream(go).put('\n');
  for (int i = 0; i < 5000 && target->alive(); ++i) ::usleep(1000);
  CHECK_FALSE(target->alive());
}

TEST_CASE("a process that executes its own file again is another target") {
  const ScratchFolder folder;
  const std::string go = (folder.path() / "go").string();
  const std::string again = "exec sh -c 'echo again; while :; do sleep 1; done'";
  Child child({"sh", "-c", "while [ ! -e '" + go + "' ]; do sleep 0.02; done; " + again});
  wait_for_exec(child.pid());
  const auto target = Target::open(child.pid());
  REQUIRE(text_of(target) == "opened");
  CHECK(target->alive());
  std::ofstream(go).put('\n');
  for (int i = 0; i < 5000 && target->alive(); ++i) ::usleep(1000);
  CHECK_FALSE(target->alive());
}

// The kernel names the new file first and the beginning of the stack last (fs/binfmt_elf.c, load_elf_binary).
TEST_CASE("a target that was opened in the middle of its exec is still the same afterwards") {
  const auto own = std::filesystem::read_symlink("/proc/self/exe");
  for (int round = 0; round < 300; ++round) {
    Child child({"/bin/sh", "-c", "echo ready; while :; do sleep 1; done"});
    const std::string exe = "/proc/" + std::to_string(child.pid()) + "/exe";
    std::error_code error;
    while (std::filesystem::read_symlink(exe, error) == own) {
    }
    const auto target = Target::open(child.pid());
    REQUIRE(text_of(target) == "opened");
    REQUIRE(child.line() == "ready");
    INFO("round " << round);
    REQUIRE(target->alive());
  }
}

TEST_CASE("what is no target says so in its own words") {
  CHECK(text_of(Target::open(0)) == "pid 0: no such process");
  CHECK(text_of(Target::open(-7)) == "pid -7: no such process");
  const auto own = Target::open(::getpid());
  CHECK(text_of(own).find("gotrace-leak itself") != std::string::npos);
  CHECK(kind_of(own) == ErrorKind::no_target);

  Child child({"true"});
  const pid_t pid = child.pid();
  siginfo_t info{};
  ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT);
  const auto zombie = Target::open(pid);
  CHECK(text_of(zombie).find("zombie") != std::string::npos);
  CHECK(kind_of(zombie) == ErrorKind::no_target);
  child.wait();
  const auto gone = Target::open(pid);
  CHECK(text_of(gone) == "pid " + std::to_string(pid) + ": no such process");
  CHECK(kind_of(gone) == ErrorKind::no_target);
}

TEST_CASE("a kernel thread is no target") {
  std::ifstream stat("/proc/2/stat");  // kthreadd; a pid namespace of a container has none
  std::string text;
  std::getline(stat, text);
  if (text.find("(kthreadd)") == std::string::npos) {
    WARN("no kernel threads in this pid namespace");
    return;
  }
  const auto target = Target::open(2);
  CHECK(text_of(target).find("kernel thread") != std::string::npos);
  CHECK(kind_of(target) == ErrorKind::no_target);
}

TEST_CASE("without the capability the error says what to do") {
  if (::geteuid() != 0) {
    WARN("needs root to give a capability up");
    return;
  }
  Child child({"sleep", "60"});
  wait_for_exec(child.pid());
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t asker = ::fork();
  if (asker == 0) {
    if (::setresgid(65534, 65534, 65534) != 0 || ::setresuid(65534, 65534, 65534) != 0) ::_exit(2);
    const auto target = Target::open(child.pid());
    const std::string text = text_of(target);
    const bool right_kind = !target && kind_of(target) == ErrorKind::not_permitted;
    const auto written = ::write(ends[1], text.data(), text.size());
    ::_exit(right_kind && written > 0 ? 0 : 1);
  }
  ::close(ends[1]);
  std::array<char, 512> text{};
  const ssize_t length = ::read(ends[0], text.data(), text.size() - 1);
  ::close(ends[0]);
  int status = 0;
  ::waitpid(asker, &status, 0);
  REQUIRE(length > 0);
  CHECK(std::string(text.data()) == "pid " + std::to_string(child.pid()) +
                                        ": not permitted to read its memory: CAP_SYS_PTRACE is missing; run with sudo, "
                                        "or add SYS_PTRACE to this container");
  CHECK(WEXITSTATUS(status) == 0);
}

}  // namespace gotrace::process
