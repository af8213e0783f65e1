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

TEST_CASE("memory that is not Go's heap, by what it is mapped for") {
  const FakeRoot root;
  root.write("/proc/77/maps",
             "00400000-00500000 rw-p 00000000 08:01 11 /usr/bin/app\n"
             "01000000-01010000 rw-p 00000000 00:00 0 [heap]\n"
             "01010000-01020000 ---p 00000000 00:00 0 \n"
             "02000000-02100000 rw-p 00000000 00:00 0 \n"
             "03000000-03004000 rw-p 00000000 00:00 0 \n"
             "03004000-03006000 rw-p 00000000 00:00 0 [anon:named]\n"
             "03100000-03200000 rw-s 00000000 00:01 5 \n"
             "03200000-garbage rw-p 00000000 00:00 0 \nnonsense\n");
  constexpr std::uint64_t kPresent = 1ULL << 63;
  constexpr std::uint64_t kSwapped = 1ULL << 62;
  std::vector<std::uint64_t> entries(0x3300, kPresent);  // all that must not count is in memory
  const auto page = [&entries](std::uint64_t address) -> std::uint64_t& { return entries[address / 4096]; };
  for (std::uint64_t at = 0x1000000; at < 0x1010000; at += 4096) page(at) = 0;
  for (std::uint64_t at = 0x3000000; at < 0x3006000; at += 4096) page(at) = 0;
  page(0x1000000) = kPresent | 5;
  page(0x100f000) = kSwapped;
  page(0x3001000) = page(0x3002000) = page(0x3005000) = kPresent;
  root.write("/proc/77/pagemap", std::string(reinterpret_cast<const char*>(entries.data()), 8 * entries.size()));
  MappingParts parts(
      77, [](std::uint64_t address) { return address == 0x2000000; }, root.path());
  const auto look = parts.look(1);
  REQUIRE(look);
  CHECK(look->complete);
  CHECK(count_of(*look, "c heap") == 2 * 4096);
  CHECK(count_of(*look, "c heap mappings") == 1);
  CHECK(count_of(*look, "anonymous") == 3 * 4096);
  CHECK(count_of(*look, "anonymous mappings") == 2);
  CHECK(look->counts.size() == 4);
  CHECK(look->total == 5 * 4096);
  CHECK_FALSE(parts.look(1));  // rests
}

TEST_CASE("more addresses than are looked at: the look says that it is a part") {
  const FakeRoot root;
  root.write("/proc/77/maps",
             "01000000-01001000 rw-p 00000000 00:00 0 [heap]\n100000000000-200000000000 rw-p 00000000 00:00 0 \n");
  root.write("/proc/77/pagemap", std::string(8 * 0x1001, '\xff'));
  const auto look = MappingParts(
                        77, [](std::uint64_t) { return false; }, root.path())
                        .look(1);
  REQUIRE(look);
  CHECK_FALSE(look->complete);
  CHECK(count_of(*look, "c heap") == 4096);
}
