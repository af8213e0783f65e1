#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <random>
#include <thread>

#include "temporary.h"
#include "trace/format.h"

using namespace gotrace;
using namespace gotrace::trace;
using namespace gotrace::trace::test;

namespace {

struct stat status_of(const std::string& path) {
  struct stat out {};
  REQUIRE(::lstat(path.c_str(), &out) == 0);
  return out;
}

std::string refused(const std::string& path, bool replace) {
  const auto writer = Writer::create(path, replace);
  REQUIRE_FALSE(writer.ok());
  return writer.error().text;
}

class IgnoredSignal {
 public:
  explicit IgnoredSignal(int number) : number_(number), before_(std::signal(number, SIG_IGN)) {}
  ~IgnoredSignal() { std::signal(number_, before_); }
  IgnoredSignal(const IgnoredSignal&) = delete;
  IgnoredSignal& operator=(const IgnoredSignal&) = delete;

 private:
  int number_;
  void (*before_)(int);
};

class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit now{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &now);
  }
  ~FileSizeLimit() { ::setrlimit(RLIMIT_FSIZE, &before_); }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_{};
};

// Sets a variable of the environment until the end of the test.
class Environment {
 public:
  Environment(const char* name, const char* value) : name_(name) { ::setenv(name, value, 1); }
  ~Environment() { ::unsetenv(name_); }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  const char* name_;
};

void write_parks(Writer& writer, std::uint64_t count) {
  std::mt19937_64 random(7);  // so that they don't compress to nothing
  for (std::uint64_t i = 0; i < count; ++i) writer.accept(Park{i, random() >> 44, 1});
}

}  // namespace

TEST_CASE("a new file is for its owner only") {
  const TemporaryFolder folder;
  ::umask(0);
  REQUIRE(Writer::create(folder / "t.gtl", false).ok());
  CHECK((status_of(folder / "t.gtl").st_mode & 07777) == 0600);
}

TEST_CASE("an existing file is kept unless it is to be replaced") {
  const TemporaryFolder folder;
  const std::string path = folder / "t.gtl";
  put_file(path, "old");
  CHECK(refused(path, false) == path + " exists; use --force to replace it");
  CHECK(contents(path) == "old");

  const auto writer = Writer::create(path, true);
  REQUIRE(writer.ok());
  // At once, so that a recorder that is killed leaves its trace here and nothing else.
  CHECK(contents(path).size() == kFileHeaderBytes);
  CHECK((status_of(path).st_mode & 07777) == 0600);
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 1);
  REQUIRE((*writer)->finish().ok());
  Collector out;
  CHECK(read(path, out)->complete);
}

TEST_CASE("replacing leaves other names of the old file alone") {
  const TemporaryFolder folder;
  put_file(folder / "other", "old");
  std::filesystem::create_hard_link(folder / "other", folder / "t.gtl");
  REQUIRE(Writer::create(folder / "t.gtl", true).ok());
  CHECK(contents(folder / "other") == "old");
}

TEST_CASE("links and what is no ordinary file are never written to") {
  const TemporaryFolder folder;
  put_file(folder / "victim", "precious");
  std::filesystem::create_symlink(folder / "victim", folder / "link");
  std::filesystem::create_symlink(folder / "nowhere", folder / "dangling");
  std::filesystem::create_directory(folder / "dir");
  REQUIRE(::mkfifo((folder / "fifo").c_str(), 0600) == 0);
  for (const bool replace : {false, true}) {
    CHECK_THAT(refused(folder / "link", replace), Catch::EndsWith(": is a symbolic link; name the file itself"));
    CHECK_THAT(refused(folder / "dangling", replace), Catch::Contains("symbolic link"));
    CHECK_THAT(refused(folder / "dir", replace), Catch::Contains("is a directory"));
    CHECK_THAT(refused(folder / "fifo", replace), Catch::Contains("not an ordinary file"));
    CHECK_THAT(refused(folder / "no/such/t.gtl", replace), Catch::EndsWith("no such file or directory"));
  }
  CHECK(contents(folder / "victim") == "precious");
  CHECK_FALSE(std::filesystem::exists(folder / "nowhere"));
}

TEST_CASE("under sudo the file is given to who asked for it") {
  if (::geteuid() != 0) return;
  const TemporaryFolder folder;
  const Environment uid("SUDO_UID", "12345");
  {
    const Environment gid("SUDO_GID", "54321");
    REQUIRE(Writer::create(folder / "t.gtl", false).ok());
    CHECK(status_of(folder / "t.gtl").st_uid == 12345);
    CHECK(status_of(folder / "t.gtl").st_gid == 54321);
  }
  const Environment bad("SUDO_GID", "5x");
  REQUIRE(Writer::create(folder / "u.gtl", false).ok());
  CHECK(status_of(folder / "u.gtl").st_uid == 0);
}

TEST_CASE("a full disk: the first error is kept, and what was written stays readable") {
  const TemporaryFolder folder;
  const std::string path = folder / "t.gtl";
  const IgnoredSignal ignored(SIGXFSZ);
  const auto writer = Writer::create(path, false);
  REQUIRE(writer.ok());
  {
    const FileSizeLimit limit(300'000);  // stands for the disk; EFBIG instead of ENOSPC
    write_parks(**writer, 400'000);
  }
  const Status status = (*writer)->status();
  REQUIRE_FALSE(status.ok());
  CHECK_THAT(status.error().text, Catch::StartsWith(path + ": file too large after 2"));
  CHECK_THAT(status.error().text, Catch::EndsWith(" KiB; what was written stays readable"));
  const std::uint64_t written = (*writer)->records_written();
  CHECK(std::filesystem::file_size(path) == (*writer)->bytes_written());  // no half chunk

  write_parks(**writer, 100'000);  // there would be room again, but a hole is worse than an end
  const Status finished = (*writer)->finish();
  REQUIRE_FALSE(finished.ok());
  CHECK(finished.error().text == status.error().text);
  CHECK(std::filesystem::file_size(path) == (*writer)->bytes_written());

  Collector out;
  const auto summary = read(path, out);
  CHECK(summary->records == written);
  CHECK(written > 10'000);
  CHECK(summary->damaged_chunks == 0);
  CHECK_FALSE(summary->complete);
}

TEST_CASE("a device that is full is told at the start") {
  UniqueFd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  REQUIRE(full.valid());
  const auto writer = Writer::create_on(std::move(full), "orderd.gtl");
  REQUIRE_FALSE(writer.ok());
  CHECK(writer.error().text == "orderd.gtl: no space left on device after 0 B; what was written stays readable");
}

TEST_CASE("a pipe that is closed ends the writing") {
  const IgnoredSignal ignored(SIGPIPE);
  int ends[2] = {};
  REQUIRE(::pipe(ends) == 0);
  UniqueFd reader(ends[0]);
  const auto writer = Writer::create_on(UniqueFd(ends[1]), "stdout");
  REQUIRE(writer.ok());
  CHECK((*writer)->status().ok());
  reader.reset();
  (*writer)->accept(Park{});
  const Status status = (*writer)->finish();
  REQUIRE_FALSE(status.ok());
  CHECK(status.error().text == "stdout: broken pipe after 8 B; what was written stays readable");
  CHECK((*writer)->records_written() == 0);
}

TEST_CASE("a trace goes through a pipe, also one that does not block and is slow") {
  int ends[2] = {};
  REQUIRE(::pipe(ends) == 0);
  REQUIRE(::fcntl(ends[1], F_SETFL, O_NONBLOCK) == 0);
  Collector out;
  std::thread reader([&out, fd = ends[0]] {
    const UniqueFd owner(fd);
    const auto summary = read("/proc/self/fd/" + std::to_string(fd), out);
    if (!summary.ok() || !summary->complete) out.records.clear();
  });
  {
    const auto writer = Writer::create_on(UniqueFd(ends[1]), "pipe");
    write_parks(**writer, 100'000);
    CHECK((*writer)->finish().ok());
  }
  reader.join();
  CHECK(out.records.size() == 100'000);
}

TEST_CASE("what can't be read is told by name") {
  const TemporaryFolder folder;
  Collector out;
  CHECK(read(folder / "none", out).error().text ==
        (folder / "none") + ": can't open the trace: no such file or directory");
  CHECK_THAT(read(folder / "", out).error().text, Catch::EndsWith("can't read the trace: is a directory"));
}

TEST_CASE("a writer that is not finished leaves whole chunks") {
  const TemporaryFolder folder;
  {
    const auto writer = Writer::create(folder / "t.gtl", false);
    write_parks(**writer, 60'000);
  }
  Collector out;
  const auto summary = read(folder / "t.gtl", out);
  CHECK_FALSE(summary->complete);
  CHECK(summary->records > 10'000);
  CHECK(summary->damaged_chunks == 0);
}
