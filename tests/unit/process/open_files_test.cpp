#include "process/open_files.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "fake_root.h"
#include "process/mapping_parts.h"

using namespace gotrace;
using namespace gotrace::process;
using gotrace::testing::FakeRoot;

namespace {

class FakeFiles {
 public:
  FakeFiles() {
    root.write("/proc/77/limits", "Limit  Soft Limit  Hard Limit  Units\nMax open files   64   4096   files\n");
    std::filesystem::create_directories(directory());
  }
  void open(int number, const std::string& link) const {
    std::filesystem::create_symlink(link, directory() + std::to_string(number));
  }
  void close(int number) const { std::filesystem::remove(directory() + std::to_string(number)); }
  [[nodiscard]] std::string directory() const { return root.path() + "/proc/77/fd/"; }

  FakeRoot root;
};

std::uint64_t count_of(const ResourceLook& look, const std::string& name) {
  for (const ResourceCount& count : look.counts)
    if (count.name == name) return count.count;
  return 0;
}

}  // namespace

TEST_CASE("the kind of an open file, never its path") {
  CHECK(open_file_kind("socket:[123]") == "socket");
  CHECK(open_file_kind("pipe:[9]") == "pipe");
  CHECK(open_file_kind("/var/log/secret-name.log") == "file");
  CHECK(open_file_kind("/dev/null") == "device");
  CHECK(open_file_kind("/memfd:x (deleted)") == "memfd");
  CHECK(open_file_kind("anon_inode:[eventpoll]") == "eventpoll");
  CHECK(open_file_kind("anon_inode:\x1b[31m") == "m");
  CHECK(open_file_kind("anon_inode:" + std::string(99, 'x')) == "other");
  CHECK(open_file_kind("") == "other");
}

TEST_CASE("open files are counted by kind, and what stays is told from what comes and goes") {
  const FakeFiles files;
  files.open(0, "/dev/null");
  files.open(3, "socket:[500]");
  OpenFiles reader(77, files.root.path());
  auto looks = reader.look(1);
  REQUIRE(!looks.empty());
  CHECK(looks[0].total == 2);
  CHECK(looks[0].limit == 64);
  CHECK(looks[0].complete);
  CHECK(count_of(looks[0], "socket") == 1);
  files.open(4, "socket:[501]");
  looks = reader.look(2);
  CHECK(looks[0].arrived == 0);  // seen by one look only
  CHECK(looks[0].total == 3);
  files.open(5, "pipe:[1]");
  looks = reader.look(3);
  CHECK(looks[0].arrived == 1);
  files.close(5);  // never settled
  files.close(4);
  files.open(4, "socket:[502]");  // another one under its number
  looks = reader.look(4);
  CHECK(looks[0].arrived == 0);
  CHECK(looks[0].left == 1);
  CHECK(looks[0].total == 3);
}

TEST_CASE("states of the process's own connections only") {
  const FakeFiles files;
  files.open(3, "socket:[500]");
  files.open(4, "socket:[501]");
  files.root.write(
      "/proc/77/net/tcp",
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
      "   0: 0100007F:1F90 0100007F:A0C4 08 00000000:00000000 00:00000000 00000000     0        0 500 1 0 20\n"
      "   1: 0100007F:1F90 0100007F:A0C6 01 00000000:00000000 00:00000000 00000000     0        0 999 1 0 20\n"
      "   2: 0100007F:1F90 0100007F:A0C6 ZZ short\n");
  files.root.write("/proc/77/net/tcp6", "  sl\n   0: 0:1 0:2 0A 0:0 0:0 0 0 0 501 1\n");
  OpenFiles reader(77, files.root.path());
  const auto looks = reader.look(1);
  REQUIRE(looks.size() == 2);
  CHECK(looks[1].kind == ResourceKind::sockets);
  CHECK(looks[1].counts.size() == 2);
  CHECK(count_of(looks[1], "tcp CLOSE_WAIT") == 1);
  CHECK(count_of(looks[1], "tcp LISTEN") == 1);
}

TEST_CASE("a process that is gone has no look") {
  const FakeRoot root;
  CHECK(OpenFiles(77, root.path()).look(1).empty());
  CHECK_FALSE(count_open_files(root.path(), 77));
}

TEST_CASE("more files than are looked at: the number is right and the look says that it is a part") {
  const FakeFiles files;
  constexpr int kMany = static_cast<int>(OpenFiles::kMostRead) + 10;
  for (int i = 0; i < kMany; ++i) files.open(i, "socket:[" + std::to_string(i + 1) + "]");
  OpenFiles reader(77, files.root.path());
  const auto looks = reader.look(1);
  CHECK(looks[0].total == kMany);
  CHECK_FALSE(looks[0].complete);
  CHECK(count_of(looks[0], "not looked at") == 10);
  CHECK(count_open_files(files.root.path(), 77) == kMany);
}

TEST_CASE("resident memory by what it is mapped for") {
  const FakeRoot root;
  root.write("/proc/77/smaps",
             "00400000-00500000 r-xp 00000000 08:01 11 /usr/bin/app\nRss: 100 kB\nSwap: 0 kB\n"
             "01000000-02000000 rw-p 00000000 00:00 0 [heap]\nRss: 50 kB\nSwap: 6 kB\n"
             "c000000000-c004000000 rw-p 00000000 00:00 0 \nRss: 900 kB\n"
             "7f0000000000-7f0000100000 rw-p 00000000 00:00 0 \nRss: 30 kB\nAnonHugePages: 7 kB\n"
             "7f0000200000-7f0000300000 rw-s 00000000 00:01 5 \nRss: 8 kB\n"
             "garbage that begins nothing\nRss: nonsense\n");
  MappingParts parts(
      77, [](std::uint64_t address) { return address == 0xc000000000; }, root.path());
  const auto look = parts.look(1);
  REQUIRE(look);
  CHECK(count_of(*look, "files") == 100 * 1024);
  CHECK(count_of(*look, "c heap") == 56 * 1024);
  CHECK(count_of(*look, "go heap") == 900 * 1024);
  CHECK(count_of(*look, "anonymous") == 30 * 1024);
  CHECK(count_of(*look, "anonymous mappings") == 1);
  CHECK(count_of(*look, "shared") == 8 * 1024);
  CHECK(look->total == (100 + 56 + 900 + 30 + 8) * 1024);
  CHECK_FALSE(parts.look(1));  // rests
}
