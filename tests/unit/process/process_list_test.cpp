#include "process/process_list.h"

#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>

#include "base/unique_fd.h"
#include "fake_root.h"

namespace gotrace::process {
namespace {

using testing::FakeRoot;

const std::string kId(64, 'a');

TEST_CASE("container ids of every engine") {
  CHECK(container_id_of("/docker/" + kId) == kId);
  CHECK(container_id_of("/system.slice/docker-" + kId + ".scope") == kId);
  CHECK(container_id_of("/kubepods.slice/kubepods-burstable.slice/cri-containerd-" + kId + ".scope") == kId);
  CHECK(container_id_of("/kubepods/besteffort/pod1-2-3/" + kId) == kId);
  CHECK(container_id_of("/machine.slice/libpod-" + kId + ".scope/container") == kId);
  CHECK(container_id_of("/machine.slice/crio-" + kId + ".scope") == kId);
  CHECK(container_id_of("/machine.slice/crio-conmon-" + kId + ".scope").empty());
  CHECK(container_id_of("/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:" + kId) == kId);
  CHECK(container_id_of("/user.slice/session-1.scope").empty());
  CHECK(container_id_of("").empty());
}

// An ELF file of one writable segment that holds `data`, without sections.
std::string elf_with(const std::string& data) {
  std::string file(64 + 56, '\0');
  std::memcpy(file.data(),
              "\x7f"
              "ELF\x02\x01\x01",
              7);
  const auto put = [&file](std::size_t at, std::uint64_t value, std::size_t size) {
    std::memcpy(file.data() + at, &value, size);
  };
  put(32, 64, 8);
  put(54, 56, 2);
  put(56, 1, 2);
  put(64, 1, 4);
  put(68, 6, 4);
  put(72, 128, 8);
  put(96, data.size(), 8);
  file.resize(128);
  return file + data;
}

bool is_go(const FakeRoot& root, const std::string& content) {
  root.write("/exe", content);
  const UniqueFd file(::open((root.path() + "/exe").c_str(), O_RDONLY | O_CLOEXEC));
  return looks_like_go(file.get());
}

TEST_CASE("a Go program is known by its build info") {
  const FakeRoot root;
  const std::string magic = "\xff Go buildinf:\x08\x02";
  CHECK(is_go(root, elf_with(std::string(32, '\0') + magic + std::string(64, '\0'))));
  CHECK_FALSE(is_go(root, elf_with(std::string(33, '\0') + magic + std::string(64, '\0'))));
  CHECK_FALSE(is_go(root, elf_with(std::string(200, 'x'))));
  CHECK_FALSE(is_go(root, "#!/bin/sh\n" + magic));
  CHECK_FALSE(is_go(root, ""));
  std::string hostile = elf_with(magic);
  std::memset(hostile.data() + 32, 0xff, 8);
  CHECK_FALSE(is_go(root, hostile));
}

TEST_CASE("processes are described from procfs") {
  const FakeRoot root;
  const std::string magic = "\xff Go buildinf:\x08\x02";
  root.write("/orderd", elf_with(magic + std::string(64, '\0')));
  root.write("/sh", elf_with(std::string(200, 'x')));
  for (const auto& [pid, exe] : {std::pair{"42", "/orderd"}, std::pair{"43", "/sh"}}) {
    const std::string directory = std::string("/proc/") + pid;
    root.write(directory + "/status", "NSpid:\t42\t7\nVmRSS:\t100 kB\n");
    root.write(directory + "/stat", "42 (orderd) S 1 1 1 0 -1 0 1 0 0 0 1 1 0 0 20 0 9 0 0 1000 10 0\n");
    root.write(directory + "/cgroup", "0::/docker/" + kId + "\n");
    root.write(directory + "/cmdline", std::string("orderd\0-v\0", 10));
    REQUIRE(::symlink((root.path() + exe).c_str(), (root.path() + directory + "/exe").c_str()) == 0);
  }
  root.write("/proc/self/status", "");
  const auto found = go_processes(root.path() + "/proc");
  REQUIRE(found.size() == 1);
  CHECK(found[0].pid == 42);
  CHECK(found[0].ns_pid == 7);
  CHECK(found[0].container_id == kId);
  CHECK(found[0].rss_bytes == 100 * 1024);
  CHECK(found[0].args == std::vector<std::string>{"orderd", "-v"});
  CHECK(found[0].uptime_seconds > 0);
  CHECK(go_processes_named("orderd", root.path() + "/proc").size() == 1);
  CHECK(go_processes_named("order", root.path() + "/proc").empty());
}

}  // namespace
}  // namespace gotrace::process
