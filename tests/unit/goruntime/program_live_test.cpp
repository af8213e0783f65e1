// Programs built with every Go release, stripped and not, position independent and not, started and looked at: what is
// found in the stripped one must be what the symbol table of its twin says, and frames what Go's runtime itself says.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "../process/child.h"
#include "goruntime/program.h"
#include "goruntime/symbolizer.h"

namespace gotrace::goruntime {
namespace {

namespace fs = std::filesystem;
using testing::Child;

constexpr const char* kSource = R"(package main

import ("bufio"; "fmt"; "os"; "runtime"; "runtime/pprof"; "time")

type caller interface { call(n int) }
type inner struct{ pad [4]int }
type outer struct { inner }

func leaf(n int) []uintptr {
	pcs := make([]uintptr, 64)
	return pcs[:runtime.Callers(1, pcs)]
}
func middle(n int) []uintptr { return leaf(n + 1) }
func top(n int) []uintptr    { return middle(n * 2) }

func show(pcs []uintptr) {
	frames := runtime.CallersFrames(pcs)
	for i := range pcs {
		frame, _ := frames.Next()
		fmt.Printf("frame %x %s %s %d\n", pcs[i], frame.Function, frame.File, frame.Line)
	}
	fmt.Println("end")
}
func (inner) call(n int) { show(top(n)) }

func main() {
	var c caller = outer{}
	c.call(len(os.Args))
	func() { show(middle(len(os.Args))) }()
	done := make(chan bool)
	go func(n int) { show(top(n)); done <- true }(len(os.Args))
	<-done
	p := new([64]int)
	runtime.SetFinalizer(p, func(*[64]int) {})
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	pprof.Lookup("goroutine").WriteTo(bufio.NewWriter(new(nothing)), 1)
	fmt.Println("ready")
	for { time.Sleep(time.Hour) }
}
type nothing struct{}
func (*nothing) Write(b []byte) (int, error) { return len(b), nil }
)";

std::string setting(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : value;
}

std::string run(std::vector<std::string> arguments) {
  std::string line;
  for (const std::string& argument : arguments) line += argument + " ";
  Child child(std::move(arguments));
  std::string output = child.rest();
  if (const int status = child.wait(); status != 0) FAIL(line + "ended with " + std::to_string(status));
  return output;
}

class Toolchain {
 public:
  explicit Toolchain(int minor) : version_("1." + std::to_string(minor)) {
    root_ =
        fs::path(setting("GOTRACE_TOOLCHAINS", "/var/cache/gotrace-leak/go")) / version_ / ("usr/lib/go-" + version_);
    if (!fs::exists(root_ / "bin/go")) FAIL("no Go toolchain in " << root_ << "; run scripts/toolchains.sh");
    folder_ = fs::path(GOTRACE_SOURCE_DIR) / "build/targets/program-live" / version_;
    fs::create_directories(folder_);
    std::ofstream(folder_ / "main.go") << kSource;
    std::ofstream(folder_ / "go.mod") << "module probe.test/tiny\n";
  }

  // The paths of a program and of its twin without symbols.
  struct Twins {
    std::string plain, stripped;
  };
  [[nodiscard]] Twins build(bool position_independent) const {
    const std::string name = position_independent ? "pie" : "exe";
    const Twins twins{(folder_ / name).string(), (folder_ / (name + "-stripped")).string()};
    go({"build", position_independent ? "-buildmode=pie" : "-buildmode=exe", "-o", twins.plain, "."});
    run({"strip", "-s", "-o", twins.stripped, twins.plain});
    return twins;
  }
  [[nodiscard]] std::map<std::string, std::uint64_t> symbols(const std::string& program) const {
    std::istringstream lines(go({"tool", "nm", program}));
    std::map<std::string, std::uint64_t> result;
    for (std::string line; std::getline(lines, line);) {
      std::istringstream fields(line);
      std::uint64_t address = 0;
      std::string kind;
      std::string name;
      if (fields >> std::hex >> address >> kind >> name) result[name] = address;
    }
    return result;
  }

 private:
  std::string go(const std::vector<std::string>& arguments) const {
    const fs::path cache = fs::path(GOTRACE_SOURCE_DIR) / "build/targets";
    std::vector<std::string> command{"env",
                                     "-C",
                                     folder_.string(),
                                     "-u",
                                     "GOPATH",
                                     "GOROOT=" + root_.string(),
                                     "GOTOOLCHAIN=local",
                                     "GO111MODULE=on",
                                     "GOFLAGS=-mod=mod",
                                     "GOPROXY=off",
                                     "CGO_ENABLED=0",
                                     "GOCACHE=" + (cache / "gocache").string(),
                                     "GOPATH=" + (cache / "gopath").string(),
                                     (root_ / "bin/go").string()};
    command.insert(command.end(), arguments.begin(), arguments.end());
    return run(command);
  }
  std::string version_;
  fs::path root_;
  fs::path folder_;
};

struct Reported {  // a frame as the program's own runtime describes it
  std::uint64_t pc = 0;
  std::string function, file;
  std::int32_t line = 0;
};
using Stack = std::vector<Reported>;

std::vector<Stack> read_stacks(Child& child) {
  std::vector<Stack> stacks(1);
  for (std::string line; (line = child.line()) != "ready";) {
    if (line == "end") {
      stacks.emplace_back();
      continue;
    }
    std::istringstream fields(line);
    std::string word;
    Reported frame;
    fields >> word >> std::hex >> frame.pc >> std::dec >> frame.function >> frame.file >> frame.line;
    if (fields && word == "frame") stacks.back().push_back(frame);
  }
  stacks.pop_back();
  return stacks;
}

std::string text_of(std::string_view function, std::string_view file, std::int32_t line) {
  return std::string(function) + " " + std::string(file) + ":" + std::to_string(line);
}

// One pc is one physical frame; the runtime reports the inlined calls in it as frames of their own.
void check_frames(const Program& program, const Stack& stack) {
  std::size_t inlined = 0;
  for (std::size_t at = 0; at < stack.size();) {
    const auto frames = program.functions().frames(stack[at].pc - 1 - program.load_bias());
    REQUIRE_FALSE(frames.empty());
    REQUIRE(at + frames.size() <= stack.size());
    for (const Frame& frame : frames) {
      const Reported& reported = stack[at++];
      CHECK(text_of(frame.function, frame.file, frame.line) ==
            text_of(reported.function, reported.file, reported.line));
      if (frame.inlined) ++inlined;
    }
    CHECK_FALSE(frames.back().inlined);
  }
  CHECK(inlined > 0);
}

void check_globals(const Program& program, const std::map<std::string, std::uint64_t>& symbols) {
  const int minor = program.build_info().minor;
  std::map<std::string, std::string> wanted;  // global -> symbol
  for (const char* name : {"allgs", "allglen", "allp", "mbuckets", "MemProfileRate", "mheap_", "waitReasonStrings",
                           "memstats", "finq", "allfin", "firstmoduledata", "sched", "semtable"}) {
    wanted[name] = std::string("runtime.") + name;
  }
  wanted["mProfCycle"] = minor == 15 ? "runtime.mProf" : "runtime.mProfCycle";
  wanted["class_to_size"] = minor >= 25 ? "internal/runtime/gc.SizeClassToSize" : "runtime.class_to_size";
  if (minor > 15) wanted["gcController"] = "runtime.gcController";
  // Only in programs that use runtime.AddCleanup.
  if (program.functions().find("runtime.runCleanups")) wanted["gcCleanups"] = "runtime.gcCleanups";
  for (const auto& [name, symbol] : wanted) {
    CAPTURE(name, program.why_missing(name));
    REQUIRE(symbols.contains(symbol));
    REQUIRE(program.global(name).has_value());
    CHECK(*program.global(name) - program.load_bias() == symbols.at(symbol));
  }
  CHECK(*program.global("work.cycles") - program.load_bias() ==
        symbols.at("runtime.work") + program.layout().work.cycles.offset);
  CHECK_FALSE(program.global("no_such_global").has_value());
  CHECK(program.why_missing("no_such_global").find("no_such_global") != std::string::npos);
}

void check_info(const Program& program) {
  const TargetInfo info = program.target_info();
  CHECK(info.module == "probe.test/tiny");
  CHECK_FALSE(info.build_id.empty());
  CHECK_FALSE(info.cgo);
  CHECK(info.arch == "amd64");
  CHECK(info.layout_exact);
  CHECK(info.memory_profile_rate == 524288);
  CHECK(info.processors == static_cast<std::uint32_t>(::sysconf(_SC_NPROCESSORS_ONLN)));
  if (program.build_info().minor > 15) CHECK(info.gogc_percent == 100);
  if (program.build_info().minor > 15) CHECK(info.gomemlimit_bytes == INT64_MAX);
  CHECK(info.size_classes.size() == (program.build_info().minor == 15 ? 67 : 68));
  CHECK(info.size_classes.back() == 32768);
  // Counts of runtime/runtime2.go, waitReasonStrings.
  const std::map<int, std::size_t> reasons{{15, 27}, {19, 27}, {21, 32}, {22, 37}, {23, 38},
                                           {24, 44}, {25, 47}, {26, 47}, {27, 47}};
  REQUIRE(info.wait_reasons.size() == reasons.at(program.build_info().minor));
  CHECK(info.wait_reasons[0].empty());
  CHECK(info.wait_reasons[2] == "IO wait");
  for (const char* reason : {"chan receive", "select", "sleep"}) {
    CHECK(std::ranges::find(info.wait_reasons, reason) != info.wait_reasons.end());
  }
}

void check_program(const std::string& path, bool stripped, bool position_independent,
                   const std::map<std::string, std::uint64_t>& symbols) {
  CAPTURE(path);
  Child child({path});
  const auto stacks = read_stacks(child);
  REQUIRE(stacks.size() == 3);
  const auto target = process::Target::open(child.pid());
  if (!target) FAIL(target.error().text);
  const auto opened = Program::open(*target);
  if (!opened) FAIL(opened.error().text);
  const Program& program = **opened;
  CHECK(program.build_info().stripped == stripped);
  CHECK(program.build_info().pie == position_independent);
  CHECK((program.load_bias() != 0) == position_independent);
  check_info(program);
  check_globals(program, symbols);
  for (const Stack& stack : stacks) check_frames(program, stack);

  // Functions are where the symbol table has them (names with dots or slashes in type arguments aside).
  for (const char* name : {"runtime.gopark", "runtime.newproc1", "runtime.mallocgc", "main.main", "fmt.Fprintf"}) {
    const auto function = program.functions().find(name);
    REQUIRE(function.has_value());
    CHECK(function->entry == symbols.at(name));
    CHECK(program.code(*function)->size() == function->end - function->entry);
    CHECK(program.file_offset(function->entry).has_value());
    CHECK(program.functions().containing(function->end - 1)->name == name);
  }
}

}  // namespace

TEMPLATE_TEST_CASE_SIG("a stripped program is known as its twin with symbols", "[live]", ((int Minor), Minor), 15, 19,
                       21, 22, 23, 24, 25, 26, 27) {
  const Toolchain toolchain(Minor);
  for (const bool position_independent : {false, true}) {
    const auto twins = toolchain.build(position_independent);
    const auto symbols = toolchain.symbols(twins.plain);
    check_program(twins.plain, false, position_independent, symbols);
    check_program(twins.stripped, true, position_independent, symbols);
  }
}

namespace {

class LastLocation final : public RecordSink {
 public:
  void accept(const Record& record) override {
    if (const auto* location = std::get_if<LocationRecord>(&record)) frames = location->frames;
  }
  std::vector<Frame> frames;
};

bool standard(const Program& program, std::string_view function) {
  LastLocation sink;
  Symbolizer symbolizer(program, sink);
  const auto range = program.functions().find(function);
  if (!range) FAIL(function << " is not in this program");
  (void)symbolizer.location(range->entry + program.load_bias(), false);
  REQUIRE_FALSE(sink.frames.empty());
  CHECK(sink.frames.back().function == function);
  return sink.frames.back().standard_library;
}

// A free port for a server that wants one named.
std::string address() { return "127.0.0.1:" + std::to_string(20000 + ::getpid() % 20000); }

void check_server(std::vector<std::string> command, std::string_view own_function, std::size_t least_functions) {
  CAPTURE(command.front());
  Child child(std::move(command));
  const auto deadline = time(nullptr) + 20;
  // Until it executes the server and its runtime is up, whose init gives MemProfileRate its value (Go 1.17 on).
  for (;;) {
    const auto target = process::Target::open(child.pid());
    const auto program = target ? Program::open(*target) : Result<std::unique_ptr<Program>>(target.error());
    const TargetInfo info = program ? (*program)->target_info() : TargetInfo();
    const bool up = info.processors > 0 && info.memory_profile_rate.value_or(0) != 0;
    if (!up && time(nullptr) < deadline) {
      ::usleep(20000);
      continue;
    }
    if (!program) FAIL(program.error().text);
    CHECK((*program)->functions().size() > least_functions);
    CHECK((*program)->build_info().go_version.starts_with("go1.19"));
    CHECK((*program)->build_info().stripped);
    CHECK((*program)->build_info().cgo);
    for (const char* name : {"allgs", "allp", "mbuckets", "MemProfileRate", "mheap_", "work.cycles", "memstats",
                             "gcController", "sched", "semtable", "waitReasonStrings", "class_to_size"}) {
      CAPTURE(name);
      CHECK((*program)->global(name).has_value());
    }
    CHECK(info.memory_profile_rate.value_or(0) == 524288);
    CHECK(standard(**program, "net/http.(*conn).serve"));
    CHECK(standard(**program, "runtime.gopark"));
    CHECK_FALSE(standard(**program, own_function));
    CHECK_FALSE(standard(**program, "main.main"));
    return;
  }
}

}  // namespace

TEST_CASE("Go servers as Debian packages them", "[live]") {
  const fs::path servers = setting("GOTRACE_SERVERS", "/var/cache/gotrace-leak/servers");
  const auto find = [&servers](const char* name) {
    for (const fs::path& path : {servers / "usr/bin" / name, fs::path("/usr/bin") / name}) {
      if (fs::exists(path)) return path.string();
    }
    FAIL("no " << name << "; run scripts/toolchains.sh servers");
    return std::string();
  };
  std::string scratch = (fs::temp_directory_path() / "gotrace-XXXXXX").string();
  const fs::path folder = ::mkdtemp(scratch.data());
  check_server({find("caddy"), "file-server", "--listen", address()}, "github.com/caddyserver/caddy/v2.Run", 30000);
  check_server({find("prometheus"), "--config.file=/dev/null", "--storage.tsdb.path=" + (folder / "tsdb").string(),
                "--web.listen-address=" + address(), "--log.level=error"},
               "github.com/prometheus/prometheus/tsdb.Open", 50000);
  check_server({find("etcd"), "--data-dir", (folder / "etcd").string(), "--listen-client-urls", "http://" + address(),
                "--advertise-client-urls", "http://" + address(), "--log-level", "error", "--listen-peer-urls",
                "http://127.0.0.1:0"},
               "go.etcd.io/etcd/embed.StartEtcd", 20000);
  fs::remove_all(folder);
}

}  // namespace gotrace::goruntime
