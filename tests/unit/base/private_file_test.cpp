#include "base/private_file.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

namespace gotrace {
namespace {

namespace fs = std::filesystem;

class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "gotrace.XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { fs::remove_all(path_); }
  [[nodiscard]] std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  [[nodiscard]] std::size_t files() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(path_), fs::directory_iterator()));
  }

 private:
  fs::path path_;
};

Bytes bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

std::string contents(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string refused(const std::string& path, bool replace) {
  const auto file = PendingFile::create(path, replace, "the snapshot");
  return file ? "" : file.error().text;
}

}  // namespace

TEST_CASE("a pending file is there when it is whole, and is its owner's only") {
  const Folder folder;
  auto file = PendingFile::create(folder / "f", false, "the snapshot");
  REQUIRE(file);
  REQUIRE(file->write(bytes("abc")).ok());
  CHECK_FALSE(fs::exists(folder / "f"));
  REQUIRE(file->finish().ok());
  CHECK(contents(folder / "f") == "abc");
  CHECK(file->bytes_written() == 3);
  struct stat status {};
  REQUIRE(::stat((folder / "f").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  CHECK(folder.files() == 1);
}

TEST_CASE("a pending file that is not finished leaves nothing") {
  const Folder folder;
  {
    auto file = PendingFile::create(folder / "f", false, "the snapshot");
    REQUIRE(file);
    REQUIRE(file->write(bytes("abc")).ok());
    const PendingFile moved(std::move(*file));
  }
  CHECK(folder.files() == 0);
}

TEST_CASE("a writer that is killed leaves nothing where the file system has files without names") {
  const Folder folder;
  const UniqueFd probe(::open((folder / ".").c_str(), O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600));
  if (!probe) return;  // then it is a file of another name that is left
  const pid_t pid = ::fork();
  if (pid == 0) {
    auto file = PendingFile::create(folder / "f", false, "the snapshot");
    if (file && file->write(bytes("abc")).ok()) ::raise(SIGKILL);
    ::_exit(1);
  }
  int status = 0;
  REQUIRE(::waitpid(pid, &status, 0) == pid);
  REQUIRE(WIFSIGNALED(status));
  CHECK(folder.files() == 0);
}

TEST_CASE("a pending file takes no other's place unasked") {
  const Folder folder;
  std::ofstream(folder / "there") << "old";
  CHECK_THAT(refused(folder / "there", false), Catch::Contains("exists; use --force to replace it"));
  ::symlink((folder / "there").c_str(), (folder / "link").c_str());
  for (const bool replace : {false, true}) {
    CHECK_THAT(refused(folder / "link", replace), Catch::Contains("is a symbolic link"));
    CHECK_THAT(refused(folder / ".", replace), Catch::Contains("is a directory"));
  }
  auto late = PendingFile::create(folder / "late", false, "the snapshot");
  REQUIRE(late);
  std::ofstream(folder / "late") << "of somebody else";
  CHECK_THAT(late->finish().error().text, Catch::Contains("exists"));
  CHECK(contents(folder / "late") == "of somebody else");

  auto file = PendingFile::create(folder / "there", true, "the snapshot");
  REQUIRE(file);
  REQUIRE(file->write(bytes("new")).ok());
  CHECK(contents(folder / "there") == "old");
  REQUIRE(file->finish().ok());
  CHECK(contents(folder / "there") == "new");
}

TEST_CASE("a full disk is told, and nothing is kept") {
  const Folder folder;
  auto file = PendingFile::create(folder / "f", false, "the snapshot");
  REQUIRE(file);
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const auto ignored = ::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{1000, before.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  const std::vector<std::byte> much(4000);
  const auto written = file->write(much);
  ::setrlimit(RLIMIT_FSIZE, &before);
  ::signal(SIGXFSZ, ignored);
  REQUIRE_FALSE(written.ok());
  CHECK_THAT(written.error().text, Catch::Contains("can't write the snapshot: file too large"));
}

}  // namespace gotrace
