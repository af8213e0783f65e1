// Probes on a real Go program of each release, with numbers that are known. Needs root: it attaches uprobes.
#include <sys/prctl.h>

#include <algorithm>
#include <map>
#include <set>
#include <thread>

#include "go_program.h"
#include "goruntime/program.h"
#include "probe/clock.h"
#include "probe/probe_session.h"
#include "probe/targets.h"

namespace gotrace::probe {
namespace {

using testing::GoProgram;

bool may_attach() {
  if (geteuid() == 0) return true;
  WARN("not root: probes can't be attached, nothing was tested");
  return false;
}

struct Recorder : RecordSink {
  std::vector<Record> records;
  void accept(const Record& record) override { records.push_back(record); }
  template <typename T>
  std::vector<T> all() const {
    std::vector<T> result;
    for (const auto& record : records) {
      if (const T* one = std::get_if<T>(&record)) result.push_back(*one);
    }
    return result;
  }
  // Function names of a stack, outermost last.
  std::vector<std::string> functions(StackId id) const {
    std::map<LocationId, LocationRecord> locations;
    std::vector<std::string> result;
    for (const auto& location : all<LocationRecord>()) locations[location.id] = location;
    for (const auto& stack : all<StackRecord>()) {
      if (stack.id != id) continue;
      for (const auto location : stack.locations) {
        for (const auto& frame : locations[location].frames) result.push_back(frame.function);
      }
    }
    return result;
  }
  bool in_stack(StackId id, const std::string& function) const {
    const auto names = functions(id);
    return std::find(names.begin(), names.end(), function) != names.end();
  }
  std::map<std::string, ProbeState> states() const {
    std::map<std::string, ProbeState> result;
    for (const auto& state : all<ProbeState>()) result[state.symbol] = state;
    return result;
  }
};

struct Sweepgen final : goruntime::ObjectLookup {
  const goruntime::Program& program;
  explicit Sweepgen(const goruntime::Program& of) : program(of) {}
  bool available() const override { return true; }
  std::optional<Object> find(process::Address) override { return std::nullopt; }
  std::optional<std::uint32_t> heap_sweepgen() override {
    return program.target().memory().value<std::uint32_t>(program.global("mheap_").value() +
                                                          program.layout().mheap.sweepgen.offset);
  }
};

struct Bench {  // a program, probed
  explicit Bench(int minor, const ProbeOptions& options = generous())
      : go(testing::build_program(minor)),
        target(process::Target::open(go.pid()).value()),
        program(goruntime::Program::open(target).value()),
        symbolizer(*program, sink),
        objects(*program),
        heap_counters(goruntime::make_heap_counter_reader(*program, sink)),
        session(ProbeSession::start(*program, symbolizer, objects, sink, options, [this] { return read_counters(); })) {
  }

  static ProbeOptions generous() {
    ProbeOptions options;
    options.max_overhead = 1.0;
    options.every_allocation = false;  // they would all fit
    return options;
  }
  void drain() { session->drain(clock_ns()); }
  std::optional<HeapCounters> read_counters() {
    heap_counters->look(clock_ns());
    const auto all = sink.all<HeapCounters>();
    return all.empty() ? std::nullopt : std::optional(all.back());
  }
  HeapCounters heap() const {
    HeapCounters counters;
    counters.time_ns = clock_ns();
    counters.gc_cycles = (sweepgen() / 2);
    return counters;
  }
  std::uint32_t sweepgen() const { return const_cast<Sweepgen&>(objects).heap_sweepgen().value(); }

  GoProgram go;
  process::Target target;
  std::unique_ptr<goruntime::Program> program;
  Recorder sink;
  goruntime::Symbolizer symbolizer;
  Sweepgen objects;
  std::unique_ptr<goruntime::Reader> heap_counters;
  std::unique_ptr<ProbeSession> session;
};

void pause(int milliseconds) { std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds)); }

const std::vector<int> kReleases{19, 21, 22, 23, 24, 25, 26, 27};

TEST_CASE("births, ends and parks are counted right") {
  if (!may_attach()) return;
  const int minor = GENERATE(from_range(kReleases));
  CAPTURE(minor);
  Bench bench(minor);
  bench.go.order("spawn", 500);
  bench.go.order("deep", 3);
  bench.go.order("sleep", 40);
  bench.drain();
  bench.session->report(clock_ns());

  std::size_t births = 0;
  std::set<std::uint64_t> creators;
  std::size_t truncated = 0;
  for (const auto& birth : bench.sink.all<Birth>()) {
    if (!bench.sink.in_stack(birth.stack, "main.spawn")) continue;
    ++births;
    creators.insert(birth.creator_goid);
    if (!bench.sink.in_stack(birth.stack, "main.main")) ++truncated;
  }
  CHECK(births == 503);
  CHECK(creators == std::set<std::uint64_t>{1});
  CHECK(truncated == 3);  // below 100 frames of recursion, main.main is out of reach
  const auto ends = bench.sink.all<End>();
  CHECK(ends.size() >= 503);
  CHECK(ends.size() <= 503 + 5);
  std::map<std::uint64_t, std::size_t> sleeps;
  const auto& reasons = bench.program->wait_reasons();
  for (const auto& park : bench.sink.all<Park>()) {
    if (park.wait_reason < reasons.size() && reasons[park.wait_reason] == "sleep") ++sleeps[park.goid];
  }
  CHECK(sleeps[1] == 42);  // and one each for spawn and deep
  for (const auto& [symbol, state] : bench.sink.states()) {
    CAPTURE(symbol, state.reason);
    CHECK(state.status == ProbeStatus::on);
    CHECK(state.lost == 0);
  }
  const auto overhead = bench.sink.all<Overhead>().back();
  REQUIRE(overhead.trap_ns.has_value());
  CHECK(*overhead.trap_ns > 50);
  CHECK(*overhead.trap_ns < 200'000);
  CHECK(overhead.hits >= 1000);
}

// Objects by samples of (function, size), and how many samples were found dead.
struct Seen {
  double objects = 0;
  std::size_t samples = 0, tracked = 0, dead = 0, censored = 0;
};
Seen seen(const Recorder& sink, const std::string& function, std::uint64_t size) {
  Seen result;
  std::set<std::uint64_t> dead;
  std::set<std::uint64_t> censored;
  for (const auto& fates : sink.all<AllocationFates>()) {
    dead.insert(fates.dead.begin(), fates.dead.end());
    censored.insert(fates.censored.begin(), fates.censored.end());
  }
  for (const auto& sample : sink.all<AllocationSample>()) {
    if (sample.size != size || !sink.in_stack(sample.stack, function)) continue;
    result.objects += static_cast<double>(sample.objects);
    ++result.samples;
    result.tracked += sample.tracked;
    result.dead += dead.contains(sample.id);
    result.censored += censored.contains(sample.id);
  }
  return result;
}

TEST_CASE("allocation samples stand for what was allocated, and dead ones are told from kept ones") {
  if (!may_attach()) return;
  const int minor = GENERATE(from_range(kReleases));
  CAPTURE(minor);
  Bench bench(minor);
  bench.go.order("gc", 0);
  bench.session->check_fates(bench.heap());
  bench.go.order("keep", 100'000);
  bench.drain();
  bench.go.order("drop", 100'000);
  bench.go.order("large", 7);
  bench.go.order("droplarge", 9);
  bench.drain();
  bench.go.order("gc", 0);
  bench.drain();
  bench.session->check_fates(bench.heap());
  bench.go.order("gc", 0);
  bench.session->check_fates(bench.heap());
  bench.session->detach(clock_ns());

  const Seen kept = seen(bench.sink, "main.keepNodes", 48);
  const Seen dropped = seen(bench.sink, "main.dropNodes", 48);
  CHECK(kept.objects == Approx(100'000).epsilon(0.05));
  CHECK(dropped.objects == Approx(100'000).epsilon(0.1));
  CHECK(kept.tracked >= kept.samples - 4);
  CHECK(dropped.tracked >= dropped.samples - 4);
  CHECK(kept.dead == 0);
  CHECK(dropped.dead >= dropped.tracked * 95 / 100);
  CHECK(kept.censored == 0);
  const Seen kept_large = seen(bench.sink, "main.large", 40960);
  CHECK(kept_large.samples == 7);
  CHECK(kept_large.tracked == 7);
  CHECK(kept_large.dead + kept_large.censored == 0);
  const Seen dropped_large = seen(bench.sink, "main.dropLarge", 57344);
  CHECK(dropped_large.samples == 9);
  CHECK(dropped_large.tracked == 9);
  CHECK(dropped_large.dead == 9);
}

TEST_CASE("every allocation is counted when asked for") {
  if (!may_attach()) return;
  const int minor = GENERATE(19, 24, 26, 27);
  CAPTURE(minor);
  auto options = Bench::generous();
  options.every_allocation = options.every_allocation_in_windows = true;
  options.max_overhead = 10;
  Bench bench(minor, options);
  bench.go.order("keep", 5000);
  bench.drain();
  std::size_t exact = 0;
  for (const auto& sample : bench.sink.all<AllocationSample>()) {
    if (sample.size == 48 && sample.objects == 1 && bench.sink.in_stack(sample.stack, "main.keepNodes")) ++exact;
  }
  CHECK(exact == 5000);
  bench.session->report(clock_ns());
  CHECK(bench.sink.states()["runtime.mallocgc"].status == ProbeStatus::on);
  CHECK(bench.sink.states()["runtime.(*mcache).refill"].status == ProbeStatus::on);  // tells what survives
}

TEST_CASE("a sample of a class that is seldom allocated is settled without a next hit") {
  if (!may_attach()) return;
  Bench bench(24);
  bench.go.order("keep", 400);
  bench.drain();
  pause(2100);
  bench.drain();
  bench.drain();
  const Seen kept = seen(bench.sink, "main.keepNodes", 48);
  CHECK(kept.samples >= 1);
  CHECK(kept.tracked == kept.samples);
}

TEST_CASE("Go 1.15 is not probed, the report says why, and all calls of a session are harmless") {
  if (!may_attach()) return;
  Bench bench(15);
  bench.drain();
  bench.session->detach(clock_ns());
  bench.session->attach(clock_ns());
  bench.session->detach(clock_ns());
  for (const auto& [symbol, state] : bench.sink.states()) {
    CHECK(state.status == ProbeStatus::failed);
    CHECK(state.reason.find("thread-local") != std::string::npos);
  }
  const auto states = bench.sink.all<SourceState>();
  CHECK(std::ranges::any_of(
      states, [](const SourceState& state) { return state.name == "probes" && state.status == SourceStatus::failed; }));
}

TEST_CASE("with no overhead allowed nothing is attached") {
  if (!may_attach()) return;
  ProbeOptions options;
  options.max_overhead = 0;
  Bench bench(24, options);
  bench.go.order("spawn", 10);
  CHECK(bench.session->drain(clock_ns()) == 0);
  for (const auto& [symbol, state] : bench.sink.states()) CHECK(state.status == ProbeStatus::withheld);
}

TEST_CASE("a probe that costs too much is taken out and the report says so") {
  if (!may_attach()) return;
  ProbeOptions options;
  options.max_overhead = 0.0005;
  Bench bench(24, options);
  const std::uint64_t begin = clock_ns();
  while (clock_ns() - begin < 1'000'000'000) {
    bench.go.order("spawn", 2000);
    bench.drain();
  }
  bench.session->report(clock_ns());
  const auto state = bench.sink.states()["runtime.newproc"];
  CHECK(state.status != ProbeStatus::on);
  CHECK(state.reason.find("hits/s would cost") != std::string::npos);
  CHECK(state.attached_ns < state.window_ns / 2);
  CHECK(state.would_cost_percent.value_or(0) > 0.05);
}

TEST_CASE("detach and attach again") {
  if (!may_attach()) return;
  Bench bench(24);
  bench.session->detach(clock_ns());
  bench.go.order("spawn", 100);
  CHECK(bench.session->drain(clock_ns()) == 0);
  bench.session->attach(clock_ns());
  for (int i = 0; i < 5; ++i) bench.drain();
  bench.go.order("spawn", 100);
  bench.drain();
  std::size_t births = 0;
  for (const auto& birth : bench.sink.all<Birth>()) births += bench.sink.in_stack(birth.stack, "main.spawn");
  CHECK(births == 100);
}

TEST_CASE("after kill -9 of the tracer the target's code is as it was, and it runs on") {
  if (!may_attach()) return;
  GoProgram go(testing::build_program(24));
  const auto target = process::Target::open(go.pid()).value();
  const auto program = goruntime::Program::open(target).value();
  const auto function = program->functions().find("runtime.newproc").value();
  const auto code = program->code(function).value();
  const auto site = choose_site(code, 24).value();
  const auto address = function.entry + program->load_bias() + site.offset;
  REQUIRE(target.memory().value<std::uint8_t>(address) == static_cast<std::uint8_t>(code[site.offset]));

  int ready[2];
  REQUIRE(pipe(ready) == 0);
  const pid_t tracer = fork();
  if (tracer == 0) {
    Recorder sink;
    goruntime::Symbolizer symbolizer(*program, sink);
    Sweepgen objects(*program);
    const auto session = ProbeSession::start(*program, symbolizer, objects, sink, Bench::generous());
    if (write(ready[1], "x", 1) != 1) _exit(1);
    for (;;) ::pause();
  }
  char byte = 0;
  REQUIRE(read(ready[0], &byte, 1) == 1);
  CHECK(target.memory().value<std::uint8_t>(address) == 0xCC);
  kill(tracer, SIGKILL);
  waitpid(tracer, nullptr, 0);
  for (int i = 0; i < 100 && target.memory().value<std::uint8_t>(address) == 0xCC; ++i) pause(20);
  CHECK(target.memory().value<std::uint8_t>(address) == static_cast<std::uint8_t>(code[site.offset]));
  go.order("spawn", 100);
  close(ready[0]);
  close(ready[1]);
}

}  // namespace
}  // namespace gotrace::probe
