// Programs built with every Go release, stripped, read from outside: goroutines, stacks and counters must be what the
// program's own runtime says of itself.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "../process/child.h"
#include "goruntime/readers.h"
#include "readers_world.h"

namespace gotrace::goruntime {
namespace {

namespace fs = std::filesystem;
using testing::Child;
using testing::Collector;

// Prints, once it stands still: "frame GOID FUNCTION LINE" of the stack of each blocked goroutine as it saw it itself,
// "class N MALLOCS FREES" of each size class, "ready".
constexpr const char* kSource = R"(package main

import ("fmt"; "os"; "runtime"; "runtime/pprof"; "strings"; "sync"; "time")

var lock sync.Mutex
var c = make(chan int, 3)
var keep [][]byte

func receive() { <-c }
func inlined() { receive() }
func choose(d chan int) { select { case <-c: case d <- 1: } }
func deep(n int) { if n > 0 { deep(n - 1) } else { lock.Lock() }; fmt.Print() }
func after() { select { case <-c: case <-time.After(time.Hour): } }

func main() {
	lock.Lock()
	go inlined(); go choose(make(chan int)); go deep(30); go after(); go func() { var n chan int; <-n }()
	for i := 0; i < 30000; i++ { if b := make([]byte, 16+i%900); i%2 == 0 { keep = append(keep, b) } }
	if len(os.Args) > 9 { pprof.Lookup("heap").WriteTo(os.Stdout, 1) }
	runtime.GC(); runtime.GC()
	time.Sleep(100 * time.Millisecond)
	text := make([]byte, 1<<16)
	text = text[:runtime.Stack(text, true)]
	out := ""
	for _, block := range strings.Split(string(text), "\n\n")[1:] {
		lines := strings.Split(strings.TrimSpace(block), "\n")
		id := strings.Fields(lines[0])[1]
		for i := 1; i+1 < len(lines); i += 2 {
			name := lines[i]
			if strings.HasPrefix(name, "created by ") { name = "created:" + strings.Fields(name)[2] } else { name = name[:strings.LastIndex(name, "(")] }
			line := strings.Fields(lines[i+1])[0]
			out += "frame " + id + " " + name + " " + line[strings.LastIndex(line, ":")+1:] + "\n"
		}
	}
	var m runtime.MemStats
	for i := range m.BySize { _ = i }
	runtime.ReadMemStats(&m)
	fmt.Print(out)
	for i, b := range m.BySize { fmt.Println("class", i, b.Mallocs, b.Frees) }
	fmt.Println("ready")
	time.Sleep(time.Hour)
}
)";

std::string setting(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : value;
}

std::string build(int minor) {
  const std::string version = "1." + std::to_string(minor);
  const fs::path root =
      fs::path(setting("GOTRACE_TOOLCHAINS", "/var/cache/gotrace-leak/go")) / version / ("usr/lib/go-" + version);
  if (!fs::exists(root / "bin/go")) FAIL("no Go toolchain in " << root << "; run scripts/toolchains.sh");
  const fs::path cache = fs::path(GOTRACE_SOURCE_DIR) / "build/targets";
  const fs::path folder = cache / "readers-live" / version;
  fs::create_directories(folder);
  std::ofstream(folder / "main.go") << kSource;
  std::ofstream(folder / "go.mod") << "module probe.test/readers\n\ngo " << version << "\n";
  Child child({"env", "-C", folder.string(), "-u", "GOPATH", "GOROOT=" + root.string(), "GOTOOLCHAIN=local",
               "GO111MODULE=on", "GOFLAGS=-mod=mod", "GOPROXY=off", "CGO_ENABLED=0",
               "GOCACHE=" + (cache / "gocache").string(), "GOPATH=" + (cache / "gopath").string(),
               (root / "bin/go").string(), "build", "-ldflags=-s -w", "-o", "program", "."});
  const std::string output = child.rest();
  if (child.wait() != 0) FAIL("go build failed: " << output);
  return (folder / "program").string();
}

struct Own {                                                 // what the program says of itself
  std::map<std::uint64_t, std::vector<std::string>> stacks;  // goid -> "function line", innermost first
  std::map<std::uint32_t, std::pair<std::uint64_t, std::uint64_t>> classes;
};

Own read_own(Child& child) {
  Own own;
  for (std::string line; (line = child.line()) != "ready";) {
    std::istringstream fields(line);
    std::string kind;
    fields >> kind;
    if (kind == "frame") {
      std::uint64_t goid = 0;
      std::string function;
      std::string number;
      fields >> goid >> function >> number;
      if (!function.starts_with("runtime.")) own.stacks[goid].push_back(function + " " + number);
    } else if (kind == "class") {
      std::uint32_t index = 0;
      std::uint64_t mallocs = 0;
      std::uint64_t frees = 0;
      fields >> index >> mallocs >> frees;
      own.classes[index] = {mallocs, frees};
    }
  }
  return own;
}

std::vector<std::string> frames_of(const std::map<LocationId, LocationRecord>& locations, LocationId id) {
  std::vector<std::string> frames;
  const auto found = locations.find(id);
  if (found == locations.end()) return frames;
  for (const Frame& frame : found->second.frames) {
    if (!frame.function.starts_with("runtime.")) frames.push_back(frame.function + " " + std::to_string(frame.line));
  }
  return frames;
}

void check_goroutines(const Own& own, const Collector& sent) {
  std::map<LocationId, LocationRecord> locations;
  std::map<StackId, StackRecord> stacks;
  std::map<std::uint64_t, GoroutineState> states;
  for (const auto& record : sent.all<LocationRecord>()) locations[record.id] = record;
  for (const auto& record : sent.all<StackRecord>()) stacks[record.id] = record;
  for (const auto& record : sent.all<GoroutineState>()) states[record.goid] = record;
  CHECK(own.stacks.size() == 5);
  for (const auto& [goid, expected] : own.stacks) {
    REQUIRE(states.contains(goid));
    std::vector<std::string> found;
    for (const LocationId id : stacks[states[goid].stack].locations) {
      for (const std::string& frame : frames_of(locations, id)) found.push_back(frame);
    }
    const auto creator = frames_of(locations, states[goid].created_at);
    if (!creator.empty()) found.push_back("created:" + creator.front());
    CHECK(found == expected);
    CHECK_FALSE(states[goid].wait_objects.empty());
    CHECK(states[goid].wait_since_ns != 0);
  }
}

void check_counters(const Own& own, const HeapCounters& counters, int minor) {
  CHECK(counters.by_class == (minor >= 16));
  if (!counters.by_class) return;
  std::uint64_t differ = 0;
  for (const auto& [index, counts] : own.classes) {
    if (index == 0 || index >= kSizeClasses) continue;
    // What it printed afterwards allocated a little; that shows only once a span is full.
    const bool near = counters.allocated[index] >= counts.first && counters.allocated[index] <= counts.first + 64;
    if (!near || counters.freed[index] < counts.second) ++differ;
  }
  CHECK(differ == 0);
}

TEST_CASE("live: what is read from outside is what the program says of itself") {
  const int minor = GENERATE(15, 19, 21, 22, 23, 24, 25, 26, 27);
  CAPTURE(minor);
  Child child({build(minor)});
  const Own own = read_own(child);
  const auto target = process::Target::open(child.pid());
  REQUIRE(target.ok());
  const auto program = Program::open(*target);
  REQUIRE(program.ok());
  Collector sent;
  Symbolizer symbolizer(**program, sent);
  const auto goroutines = make_goroutine_reader(**program, symbolizer, sent);
  const auto counters = make_heap_counter_reader(**program, sent);
  const auto profile = make_heap_profile_reader(**program, symbolizer, sent);
  const auto lookup = make_object_lookup(**program, sent);
  for (const SourceState& state : sent.all<SourceState>()) {
    CAPTURE(state.name, state.reason);
    CHECK(state.status == SourceStatus::on);
  }
  REQUIRE(goroutines->look(1) == Look::ok);
  check_goroutines(own, sent);
  REQUIRE(counters->look(2) == Look::ok);
  check_counters(own, sent.all<HeapCounters>().back(), minor);
  CHECK(sent.all<HeapCounters>().back().swept);
  CHECK(sent.all<HeapCounters>().back().gc_cycles >= 2);
  REQUIRE(profile->look(3) == Look::ok);
  CHECK(sent.all<HeapProfile>().back().buckets > 0);
  for (const GoroutineState& state : sent.all<GoroutineState>()) {
    if (state.system || state.wait_objects.empty() || state.wait_objects[0].kind != WaitKind::channel) continue;
    const auto object = lookup->find(state.wait_objects[0].address);
    REQUIRE(object);
    CHECK(object->allocated);
    CHECK(object->base == state.wait_objects[0].address);
  }
  sent.records.clear();
  REQUIRE(goroutines->look(4) == Look::ok);
  CHECK(sent.all<Snapshot>().at(0).torn_stacks == 0);
  for (const GoroutineState& state : sent.all<GoroutineState>()) CHECK_FALSE(own.stacks.contains(state.goid));
}

}  // namespace
}  // namespace gotrace::goruntime
