// A Go program for tests: built with a given release, started, told what to do through a named pipe.
#pragma once

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "../process/child.h"
#include "base/unique_fd.h"

namespace gotrace::probe::testing {

using gotrace::testing::Child;

inline constexpr const char* kSource = R"(package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"
)

type node struct{ a, b, c, d, e, f *node }

var kept []*node
var keptLarge [][]byte
var sink *node
var sinkLarge []byte

//go:noinline
func spawn(n int) {
	var group sync.WaitGroup
	for i := 0; i < n; i++ {
		group.Add(1)
		go func() { group.Done() }()
	}
	group.Wait()
	time.Sleep(50 * time.Millisecond)
}

//go:noinline
func deep(depth, n int) {
	if depth == 0 {
		spawn(n)
		return
	}
	deep(depth-1, n)
}

func sleep(n int) {
	for i := 0; i < n; i++ {
		time.Sleep(time.Millisecond)
	}
}

//go:noinline
func keepNodes(n int) {
	for i := 0; i < n; i++ {
		kept = append(kept, new(node))
	}
}

//go:noinline
func dropNodes(n int) {
	for i := 0; i < n; i++ {
		sink = new(node)
	}
	sink = nil
}

//go:noinline
func large(n int) {
	for i := 0; i < n; i++ {
		keptLarge = append(keptLarge, make([]byte, 40000))
	}
}

//go:noinline
func dropLarge(n int) {
	for i := 0; i < n; i++ {
		sinkLarge = make([]byte, 50000)
	}
	sinkLarge = nil
}

func main() {
	orders, err := os.Open(os.Args[1])
	if err != nil {
		panic(err)
	}
	kept = make([]*node, 0, 1<<20)
	fmt.Println("ready")
	lines := bufio.NewScanner(orders)
	for lines.Scan() {
		var what string
		var n int
		fmt.Sscan(lines.Text(), &what, &n)
		switch what {
		case "spawn":
			spawn(n)
		case "deep":
			deep(100, n)
		case "sleep":
			sleep(n)
		case "keep":
			keepNodes(n)
		case "drop":
			dropNodes(n)
		case "droplarge":
			dropLarge(n)
		case "large":
			large(n)
		case "gc":
			runtime.GC()
		}
		fmt.Println("done")
	}
}
)";

inline std::filesystem::path toolchain_root(int minor) {
  const char* value = std::getenv("GOTRACE_TOOLCHAINS");
  const std::string version = "1." + std::to_string(minor);
  return std::filesystem::path(value == nullptr ? "/var/cache/gotrace-leak/go" : value) / version / "usr/lib" /
         ("go-" + version);
}

// Builds the program, stripped of its symbols; FAILs the test when that is not possible.
inline std::string build_program(int minor) {
  namespace fs = std::filesystem;
  const fs::path root = toolchain_root(minor);
  if (!fs::exists(root / "bin/go")) FAIL("no Go toolchain in " << root << "; run scripts/toolchains.sh");
  const fs::path targets = fs::path(GOTRACE_SOURCE_DIR) / "build/targets";
  const fs::path folder = targets / "probe-live" / std::to_string(minor);
  fs::create_directories(folder);
  // Tests are processes of their own and run side by side: one builds at a time.
  const UniqueFd lock(::open((folder / "lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
  REQUIRE(lock.get() >= 0);
  REQUIRE(::flock(lock.get(), LOCK_EX) == 0);
  std::ofstream(folder / "main.go") << kSource;
  std::ofstream(folder / "go.mod") << "module probe.test/live\n";
  const std::string program = (folder / "live").string();
  Child go({"env", "-C", folder.string(), "-u", "GOPATH", "GOROOT=" + root.string(), "GOTOOLCHAIN=local",
            "GO111MODULE=on", "GOFLAGS=-mod=mod", "GOPROXY=off", "CGO_ENABLED=0",
            "GOCACHE=" + (targets / "gocache").string(), "GOPATH=" + (targets / "gopath").string(),
            (root / "bin/go").string(), "build", "-ldflags=-s -w", "-o", program, "."});
  if (go.wait() != 0) FAIL("go build failed for Go 1." << minor);
  return program;
}

class GoProgram {
 public:
  explicit GoProgram(const std::string& program) : pipe_(program + ".orders." + std::to_string(::getpid())) {
    ::unlink(pipe_.c_str());
    REQUIRE(::mkfifo(pipe_.c_str(), 0600) == 0);
    child_ = std::make_unique<Child>(std::vector<std::string>{"env", "GOMAXPROCS=2", "GOGC=off", program, pipe_});
    orders_ = ::open(pipe_.c_str(), O_WRONLY | O_CLOEXEC);
    REQUIRE(child_->line() == "ready");
  }
  GoProgram(const GoProgram&) = delete;
  GoProgram& operator=(const GoProgram&) = delete;
  ~GoProgram() {
    ::close(orders_);
    ::unlink(pipe_.c_str());
  }

  // Returns when it has been done.
  void order(const std::string& what, int n) {
    const std::string line = what + " " + std::to_string(n) + "\n";
    REQUIRE(::write(orders_, line.data(), line.size()) == static_cast<ssize_t>(line.size()));
    REQUIRE(child_->line() == "done");
  }
  [[nodiscard]] pid_t pid() const { return child_->pid(); }

 private:
  std::string pipe_;
  std::unique_ptr<Child> child_;
  int orders_ = -1;
};

}  // namespace gotrace::probe::testing
