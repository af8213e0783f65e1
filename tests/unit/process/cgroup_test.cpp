#include "process/cgroup.h"

#include <catch2/catch.hpp>

#include "fake_root.h"
#include "process/memory_figures.h"
#include "process/own_memory.h"

namespace gotrace::process {
namespace {

using testing::FakeRoot;

TEST_CASE("memberships of both versions") {
  const auto v1 = parse_memberships("12:cpu,cpuacct:/a\n5:memory:/docker/x\n1:name=systemd:/s\n0::/unified\n");
  REQUIRE(v1.size() == 4);
  CHECK_FALSE(v1[0].memory);
  CHECK(v1[1].memory);
  CHECK_FALSE(v1[1].v2);
  CHECK(v1[1].path == "/docker/x");
  CHECK(v1[3].v2);
  CHECK(v1[3].path == "/unified");
  CHECK(parse_memberships("nonsense\n\n:").empty());
}

TEST_CASE("mounts are found whatever stands between their fields") {
  const auto mounts = parse_cgroup_mounts(
      "25 1 0:22 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
      "26 1 0:23 /docker/x /sys/fs/cg\\040m rw - cgroup cgroup rw,memory\n"
      "27 1 0:24 / /proc rw - proc proc rw\n"
      "broken line - cgroup2\n");
  REQUIRE(mounts.size() == 2);
  CHECK(mounts[0].v2);
  CHECK(mounts[0].point == "/sys/fs/cgroup");
  CHECK(mounts[1].memory);
  CHECK(mounts[1].root == "/docker/x");
  CHECK(mounts[1].point == "/sys/fs/cg m");
}

TEST_CASE("a cgroup's directory, or none where the mount does not reach") {
  const CgroupMount all{.v2 = true, .memory = true, .root = "/", .point = "/c"};
  CHECK(cgroup_directory(all, "/a/b") == "/c/a/b");
  CHECK(cgroup_directory(all, "/") == "/c");
  CHECK(cgroup_directory(all, "/../other").empty());
  const CgroupMount part{.v2 = false, .memory = true, .root = "/docker/x", .point = "/c"};
  CHECK(cgroup_directory(part, "/docker/x") == "/c");
  CHECK(cgroup_directory(part, "/docker/x/y") == "/c/y");
  CHECK(cgroup_directory(part, "/docker/xyz").empty());
}

void write_process(FakeRoot& root) {
  root.write("/proc/77/stat", "77 (a (b) c) S 1 77 77 0 -1 4194304 1 0 0 0 250 50 0 0 20 0 9 0 12345 1000 10 0\n");
  root.write("/proc/77/status",
             "Name:\ta\nVmSize:\t  2000 kB\nVmRSS:\t 999 kB\nRssAnon:\t 500 kB\nRssFile:\t 300 kB\nRssShmem:\t 20 "
             "kB\nVmSwap:\t 7 kB\n");
  root.write("/proc/77/limits",
             "Limit  Soft Limit  Hard Limit  Units\nMax address space         1048576  unlimited bytes\n");
  root.write("/proc/77/fd/0", "");
  root.write("/proc/77/fd/1", "");
  root.write("/proc/meminfo", "MemTotal:  8000 kB\nMemFree: 1 kB\nMemAvailable: 6000 kB\n");
}

TEST_CASE("figures of a process, version 2, with its ancestors' limits") {
  FakeRoot root;
  write_process(root);
  root.write("/proc/self/mountinfo", "25 1 0:22 / /sys/fs/cgroup rw - cgroup2 none rw\n");
  root.write("/proc/77/cgroup", "0::/slice/unit\n");
  root.write("/sys/fs/cgroup/slice/unit/memory.max", "max\n");
  root.write("/sys/fs/cgroup/slice/memory.max", "4096\n");
  root.write("/sys/fs/cgroup/slice/memory.current", "3000\n");
  root.write("/sys/fs/cgroup/slice/memory.stat", "anon 1\ninactive_file 1000\n");
  const auto figures = read_memory_figures_below(root.path(), 77, 5);
  REQUIRE(figures);
  CHECK(figures->time_ns == 5);
  CHECK(figures->vm_bytes == 2000 * 1024);
  CHECK(figures->rss_bytes == 820 * 1024);
  CHECK(figures->shared_bytes == 320 * 1024);
  CHECK(figures->swap_bytes == 7 * 1024);
  CHECK(figures->machine_bytes == 8000 * 1024);
  CHECK(figures->threads == 9);
  CHECK(figures->open_files == 2);
  CHECK(figures->cpu_ns == 3'000'000'000);
  REQUIRE(figures->limits.size() == 3);
  CHECK(figures->limits[0].kind == LimitKind::cgroup);
  CHECK(figures->limits[0].path == "/slice");
  CHECK(figures->limits[0].bytes == 4096);
  CHECK(figures->limits[0].used_bytes == 2000);
  CHECK(figures->limits[1].kind == LimitKind::rlimit);
  CHECK(figures->limits[1].bytes == 1048576);
  CHECK(figures->limits[2].kind == LimitKind::machine);
  CHECK(figures->limits[2].used_bytes == 2000 * 1024);
}

TEST_CASE("what is free is what the tightest limit leaves, and it is named") {
  FakeRoot root;
  write_process(root);
  root.write("/proc/self/mountinfo", "25 1 0:22 / /sys/fs/cgroup rw - cgroup2 none rw\n");
  root.write("/proc/77/cgroup", "0::/slice\n");
  root.write("/sys/fs/cgroup/slice/memory.max", "max\n");
  root.write("/proc/77/limits", "");
  auto free = free_memory_below(root.path(), 77);
  REQUIRE(free);
  CHECK(free->bytes == 6000 * 1024);
  CHECK(free->where == "on this machine");
  root.write("/sys/fs/cgroup/slice/memory.max", "4096\n");
  root.write("/sys/fs/cgroup/slice/memory.current", "3000\n");
  free = free_memory_below(root.path(), 77);
  REQUIRE(free);
  CHECK(free->bytes == 1096);
  CHECK(free->where == "in cgroup /slice");
  root.write("/sys/fs/cgroup/slice/memory.current", "5000\n");  // over it for a moment
  CHECK(free_memory_below(root.path(), 77)->bytes == 0);
  CHECK_FALSE(free_memory_below(root.path(), 78));
}

TEST_CASE("version 1 beside an empty version 2, one level unlimited") {
  FakeRoot root;
  write_process(root);
  root.write("/proc/self/mountinfo",
             "30 1 0:30 / /cg/unified rw - cgroup2 none rw\n31 1 0:31 / /cg/memory rw - cgroup none rw,memory\n");
  root.write("/proc/77/cgroup", "4:memory:/docker/x\n0::/\n");
  root.write("/cg/memory/docker/x/memory.limit_in_bytes", "1000000\n");
  root.write("/cg/memory/docker/x/memory.usage_in_bytes", "600000\n");
  root.write("/cg/memory/docker/x/memory.stat", "inactive_file 5\ntotal_inactive_file 100000\n");
  root.write("/cg/memory/docker/memory.limit_in_bytes", "9223372036854771712\n");
  const auto limits = cgroup_memory_limits(root.path(), "/proc/77");
  REQUIRE(limits.size() == 1);
  CHECK(limits[0].bytes == 1000000);
  CHECK(limits[0].used_bytes == 500000);
}

TEST_CASE("a zombie, or none at all, has no figures") {
  FakeRoot root;
  CHECK_FALSE(read_memory_figures_below(root.path(), 77, 1));
  write_process(root);
  root.write("/proc/77/status", "Name:\ta\nState:\tZ\n");
  CHECK_FALSE(read_memory_figures_below(root.path(), 77, 1));
}

}  // namespace
}  // namespace gotrace::process
