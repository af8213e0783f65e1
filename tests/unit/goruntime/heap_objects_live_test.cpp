// Programs built with every Go release, stripped, read from outside: where the pointers of their objects are, and which
// large objects are used in part only, must be what they say themselves.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "../process/child.h"
#include "goruntime/heap_spans.h"
#include "goruntime/plain_types.h"
#include "goruntime/pointer_maps.h"
#include "goruntime/retention_pass.h"
#include "goruntime/stack_lists.h"

namespace gotrace::goruntime {
namespace {

namespace fs = std::filesystem;
using gotrace::testing::Child;

// Prints "object NAME ADDRESS COUNT" of arrays of COUNT records; "part ADDRESS" and "spare ADDRESS" of large objects
// that are used in part, "whole ADDRESS" of others; "list ADDRESS" of the first node of a list that a frame keeps,
// "seen ADDRESS" of a node of one that a package variable has; "left ADDRESS" of one of the parts, to which an unused
// word of a stack leads; "ready".
constexpr const char* kSource = R"(package main

import ("fmt"; "runtime"; "strings"; "time"; "unsafe")

type record struct { a *int; b int; c *int; d [3]int }

var global [40]record
var one *record
var some, many []record
var text map[int]string
var pieces chan []byte
var held struct { whole, tail, reserve []byte; buffer *block; spread []string; array *[70000]byte; used int }
type block struct { data []byte; next *block }

type node struct { id int; next *node }
var known *node

//go:noinline
func made(count int) *node {
	head := &node{}
	for at := head; count > 1; count-- { at.next = &node{id: count}; at = at.next }
	return head
}

//go:noinline
func keep(wait chan int) {
	head := made(1000)
	fmt.Println("list", address(unsafe.Pointer(head)))
	wait <- 1
	for { head.id += <-wait }
}

// A word that leads to a long string stays in its frame, and is not used any more when it waits.
//
//go:noinline
func leave(wait chan int) {
	long := strings.Repeat("left text ", 10000)
	text[200] = long[:30]
	fmt.Println("left", of(long))
	fmt.Println("part", of(long))
	wait <- 1
	for { <-wait }
}

// Here it is used.
//
//go:noinline
func use(wait chan int) {
	long := strings.Repeat("used text ", 10000)
	text[201] = long[:30]
	fmt.Println("whole", of(long))
	wait <- 1
	for { text[202] = long[<-wait:] }
}

//go:noinline
func visit(wait chan int) {
	at := known
	for i := 0; i < 100; i++ { at = at.next }
	fmt.Println("seen", address(unsafe.Pointer(at)))
	wait <- 1
	for { at.id += <-wait }
}

func address(p unsafe.Pointer) uint64 { return uint64(uintptr(p)) }
func of(s string) uint64 { return address(unsafe.Pointer(*(*uintptr)(unsafe.Pointer(&s)))) }

//go:noinline
func fill() {
	one = new(record); some = make([]record, 20); many = make([]record, 50000)
	fmt.Println("object one", address(unsafe.Pointer(one)), 1)
	fmt.Println("object some", address(unsafe.Pointer(&some[0])), 20)
	fmt.Println("object many", address(unsafe.Pointer(&many[0])), 50000)
	fmt.Println("object global", address(unsafe.Pointer(&global[0])), 40)
	text = map[int]string{}
	for i := 0; i < 20; i++ {
		long := strings.Repeat("some text ", 10000)
		text[i] = long[:50+i]
		fmt.Println("part", of(long))
	}
	long := strings.Repeat("more text ", 10000)
	text[100] = long
	text[101] = long[:20]
	fmt.Println("whole", of(long))
	wide := strings.Repeat("most text ", 10000)
	for i := 0; i < 10; i++ { held.spread = append(held.spread, wide[i*9000:i*9000+9000]) }
	fmt.Println("whole", of(wide))
	pieces = make(chan []byte, 10)
	for i := 0; i < 5; i++ {
		bytes := make([]byte, 100001 + i)
		pieces <- bytes[50001:50011:50011]
		fmt.Println("part", address(unsafe.Pointer(&bytes[0])))
	}
	held.whole = make([]byte, 90000)
	fmt.Println("whole", address(unsafe.Pointer(&held.whole[0])))
	tail := make([]byte, 1 << 20)
	held.tail = tail[len(tail)-30:]
	fmt.Println("part", address(unsafe.Pointer(&tail[0])))
	held.reserve = make([]byte, 100, 200000)
	fmt.Println("spare", address(unsafe.Pointer(&held.reserve[0])))
	held.buffer = &block{data: make([]byte, 0, 100000)}
	fmt.Println("whole", address(unsafe.Pointer(&held.buffer.data[:1][0])))
	held.array = new([70000]byte)
	for i := range held.array { held.array[i] = 'x' }
	held.used = 10
	fmt.Println("whole", address(unsafe.Pointer(held.array)))
}

//go:noinline
func deep(n int) int { var room [64]int; if n > 0 { return deep(n-1) + room[n%64] }; return 0 }

func main() {
	done := make(chan bool)
	go func() { fill(); deep(20); close(done) }()
	<-done
	known = made(1000)
	kept, visited, left, used := make(chan int), make(chan int), make(chan int), make(chan int)
	go leave(left); <-left
	go use(used); <-used
	go keep(kept); <-kept
	go visit(visited); <-visited
	runtime.GC(); runtime.GC()
	time.Sleep(50 * time.Millisecond)
	fmt.Println("ready")
	time.Sleep(time.Hour)
	runtime.KeepAlive(kept); runtime.KeepAlive(visited); runtime.KeepAlive(left); runtime.KeepAlive(used)
	runtime.KeepAlive(one); runtime.KeepAlive(some); runtime.KeepAlive(many); runtime.KeepAlive(held)
}
)";

std::string build(int minor) {
  const char* setting = std::getenv("GOTRACE_TOOLCHAINS");
  const std::string version = "1." + std::to_string(minor);
  const fs::path root =
      fs::path(setting == nullptr ? "/var/cache/gotrace-leak/go" : setting) / version / ("usr/lib/go-" + version);
  if (!fs::exists(root / "bin/go")) FAIL("no Go toolchain in " << root << "; run scripts/toolchains.sh");
  const fs::path cache = fs::path(GOTRACE_SOURCE_DIR) / "build/targets";
  const fs::path folder = cache / "heap-objects-live" / version;
  fs::create_directories(folder);
  std::ofstream(folder / "main.go") << kSource;
  std::ofstream(folder / "go.mod") << "module probe.test/heap\n\ngo " << version << "\n";
  Child child({"env", "-C", folder.string(), "-u", "GOPATH", "GOROOT=" + root.string(), "GOTOOLCHAIN=local",
               "GO111MODULE=on", "GOFLAGS=-mod=mod", "GOPROXY=off", "CGO_ENABLED=0",
               "GOCACHE=" + (cache / "gocache").string(), "GOPATH=" + (cache / "gopath").string(),
               (root / "bin/go").string(), "build", "-ldflags=-s -w", "-o", "program", "."});
  const std::string output = child.rest();
  if (child.wait() != 0) FAIL("go build failed: " << output);
  return (folder / "program").string();
}

struct Array {
  std::string name;
  process::Address address = 0;
  std::size_t count = 0;
};
struct Own {  // what the program says of itself
  std::vector<Array> arrays;
  std::map<std::string, std::set<process::Address>> objects;  // by "part", "spare", "whole"
};

Own read_own(Child& child) {
  Own own;
  for (std::string line; (line = child.line()) != "ready";) {
    std::istringstream fields(line);
    std::string kind;
    fields >> kind;
    if (kind == "object") {
      Array array;
      fields >> array.name >> array.address >> array.count;
      own.arrays.push_back(array);
    } else {
      process::Address address = 0;
      fields >> address;
      own.objects[kind].insert(address);
    }
  }
  return own;
}

// {a *int; b int; c *int; d [3]int}: pointers are the first and the third of six words.
bool as_records(const std::vector<bool>& words) {
  for (std::size_t i = 0; i < words.size(); ++i)
    if (words[i] != (i % 6 == 0 || i % 6 == 2)) return false;
  return true;
}

void check_pointers(const Program& program, const Own& own) {
  const auto spans = HeapSpans::read(program);
  REQUIRE(spans);
  PointerMaps maps(program);
  REQUIRE(own.arrays.size() == 4);
  for (const Array& array : own.arrays) {
    INFO(array.name);
    std::optional<std::vector<bool>> words;
    if (array.name == "global") {
      words = maps.data_words(array.address, 6 * array.count);
    } else {
      const SpanView* span = spans->find(array.address);
      REQUIRE(span != nullptr);
      const process::Address object = span->base + *slot_of(*span, array.address) * span->element_size;
      words = maps.words(*span, object, (array.address - object) / 8, 6 * array.count);
    }
    REQUIRE(words);
    CHECK(as_records(*words));
  }
}

void check_uses(const Program& program, const Own& own) {
  PointerMaps maps(program);
  const auto plain = large_plain_types(program, RetentionPass::kLeastObject);
  CHECK(std::ranges::find(plain, 70000U) != plain.end());
  const auto pass = RetentionPass::begin(program, maps, plain);
  REQUIRE(pass);
  while (pass->step(1U << 20)) {
  }
  CHECK(pass->figures().complete);
  std::map<std::string, std::set<process::Address>> found;
  for (const PartlyUsed& one : pass->partly_used(1000))
    found[one.used.use == ObjectUse::part ? "part" : "spare"].insert(one.base);
  // Words that the stack still holds make some of them look used: never the other way round.
  std::size_t seen = 0;
  for (const process::Address base : own.objects.at("part")) seen += found["part"].count(base);
  CHECK(seen + 2 >= own.objects.at("part").size());
  // Go 1.15's tables are of another shape: each word of a stack counts there.
  for (const process::Address base : own.objects.at("left"))
    CHECK(found["part"].contains(base) == (program.build_info().minor > 15));
  for (const process::Address base : own.objects.at("whole")) {
    CHECK_FALSE(found["part"].contains(base));
    CHECK_FALSE(found["spare"].contains(base));
  }
  for (const process::Address base : own.objects.at("spare")) CHECK_FALSE(found["part"].contains(base));
  for (const process::Address base : found["part"]) CHECK(own.objects.at("part").contains(base));
}

std::unique_ptr<RetentionPass> searched(const Program& program, PointerMaps& maps, const StackLists& lists) {
  static const std::vector<std::uint64_t> no_types;
  auto pass = RetentionPass::begin(program, maps, no_types, lists.to_watch());
  while (pass->step(1U << 20)) {
  }
  return pass;
}

void check_lists(const Program& program, const Own& own) {
  constexpr std::uint64_t kLong = 10'000'000'000;
  PointerMaps maps(program);
  HeapObjects objects(program);
  StackLists lists(program, maps);
  auto pass = searched(program, maps, lists);
  lists.look(pass->spans(), objects, true, kLong);
  const auto find = [&](process::Address first) {
    return std::ranges::find(lists.all(), first, [](const StackList& one) { return one.list.first; });
  };
  const process::Address kept = *own.objects.at("list").begin();
  const process::Address seen = *own.objects.at("seen").begin();
  REQUIRE(find(kept) != lists.all().end());
  CHECK(find(seen) != lists.all().end());
  for (int i = 0; i < 3; ++i) {
    pass = searched(program, maps, lists);
    lists.note(pass->watched());
    lists.look(pass->spans(), objects, false, kLong);
  }
  REQUIRE(find(kept) != lists.all().end());
  CHECK(find(seen) == lists.all().end());
  const StackList& one = *find(kept);
  CHECK(one.list.nodes == 1000);
  CHECK(one.list.ended);
  CHECK(one.list.node_size == 16);
  CHECK(one.searches == 3);
  CHECK(one.doubts == 0);
  REQUIRE(one.pc != 0);
  CHECK(program.functions().frames(one.pc - 1 - program.load_bias()).back().function == "main.keep");
  CHECK_FALSE(StackLists::is_kept(one));  // it does not grow
}

void check_version(int minor) {
  Child child({build(minor)});
  const Own own = read_own(child);
  const auto target = process::Target::open(child.pid());
  REQUIRE(target);
  const auto program = Program::open(*target);
  REQUIRE(program);
  check_pointers(**program, own);
  check_uses(**program, own);
  check_lists(**program, own);
}

}  // namespace

TEST_CASE("heap objects of Go 1.15, read from outside", "[live]") { check_version(15); }
TEST_CASE("heap objects of Go 1.19, read from outside", "[live]") { check_version(19); }
TEST_CASE("heap objects of Go 1.21, read from outside", "[live]") { check_version(21); }
TEST_CASE("heap objects of Go 1.22, read from outside", "[live]") { check_version(22); }
TEST_CASE("heap objects of Go 1.23, read from outside", "[live]") { check_version(23); }
TEST_CASE("heap objects of Go 1.24, read from outside", "[live]") { check_version(24); }
TEST_CASE("heap objects of Go 1.25, read from outside", "[live]") { check_version(25); }
TEST_CASE("heap objects of Go 1.26, read from outside", "[live]") { check_version(26); }
TEST_CASE("heap objects of Go 1.27, read from outside", "[live]") { check_version(27); }

}  // namespace gotrace::goruntime
