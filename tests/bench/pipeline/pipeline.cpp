// bench_pipeline PID DIRECTORY ROUNDS: how many events a second one core takes from the ring buffer to the model, to
// the model and a trace, and from that trace back to the model. The events are made by fill.bpf.c; their stacks are of
// the Go program PID, which is only looked at. Prints one line of JSON. Rates are per second of this thread's CPU time.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fill.skel.h>
#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "goruntime/program.h"
#include "goruntime/readers.h"
#include "goruntime/symbolizer.h"
#include "model/model.h"
#include "pipeline/fill.h"
#include "probe/clock.h"
#include "probe/event_stream.h"
#include "process/target.h"
#include "trace/trace.h"

namespace {

using gotrace::Bytes;
using gotrace::failure;
using gotrace::Result;
using gotrace::Status;
using gotrace::success;

constexpr std::uint64_t kStacks = 32;
constexpr std::uint32_t kFrames = 12;
constexpr int kRepeats = 16384;      // x 64 templates x 48 bytes: 48 MiB of the 64 MiB buffer
constexpr std::uint64_t kSize = 64;  // of an allocation
constexpr std::uint64_t kHash = 0x9fb21c651e98df25;

std::uint64_t thread_cpu_ns() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(time.tv_nsec);
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values.empty() ? 0 : values[values.size() / 2];
}

// ---------------------------------------------------------------- made-up events
// Program counters of the target, run-time.
std::vector<std::uint64_t> some_addresses(const gotrace::goruntime::Program& program) {
  std::vector<std::uint64_t> result;
  for (const auto& function : program.functions().find_prefix("runtime.")) {
    if (function.end - function.entry > 8) result.push_back(function.entry + 5 + program.load_bias());
  }
  return result;
}

gotrace_stack make_stack(const std::vector<std::uint64_t>& addresses, std::uint64_t number) {
  gotrace_stack stack{};
  stack.kind = GOTRACE_EVENT_STACK;
  stack.size = sizeof(stack);
  stack.hash = (number + 1) * kHash;
  stack.count = kFrames;
  for (std::uint64_t i = 0; i < kFrames; ++i) stack.pc[i] = addresses[(number * 7 + i * 13) % addresses.size()];
  return stack;
}

// Births, parks, ends and allocations in equal parts.
fill_template make_template(const std::vector<std::uint64_t>& addresses, std::uint64_t number) {
  constexpr std::array kinds{GOTRACE_BIRTHS, GOTRACE_PARKS, GOTRACE_ENDS, GOTRACE_MALLOC};
  const auto kind = kinds[number % kinds.size()];
  fill_template made{};
  made.size = kind == GOTRACE_ENDS ? sizeof(gotrace_event) : sizeof(gotrace_park);
  auto& event = made.record.event;
  event.kind = kind;
  event.size = static_cast<gotrace_u32>(made.size);
  event.goid = 1;
  if (kind == GOTRACE_BIRTHS || kind == GOTRACE_MALLOC) event.stack = (number % kStacks + 1) * kHash;
  // What follows the event is one word in each kind: start_pc, wait_reason, size.
  made.record.wait_reason = kind == GOTRACE_BIRTHS ? addresses[number % addresses.size()] : kSize;
  if (kind == GOTRACE_PARKS) made.record.wait_reason = 1;
  return made;
}

// ---------------------------------------------------------------- the ring buffer
struct DestroySkeleton {
  void operator()(gotrace_fill* skeleton) const { gotrace_fill::destroy(skeleton); }
};
struct FreeRing {
  void operator()(ring_buffer* ring) const { ring_buffer__free(ring); }
};

class Ring {
 public:
  Status open(const std::vector<std::uint64_t>& addresses) {
    libbpf_set_print(nullptr);
    skeleton_.reset(gotrace_fill::open_and_load());
    if (!skeleton_) return failure(fmt::format("loading: {}", std::strerror(errno)));
    ring_.reset(ring_buffer__new(bpf_map__fd(skeleton_->maps.events), &Ring::on_record, this, nullptr));
    if (!ring_) return failure(fmt::format("ring buffer: {}", std::strerror(errno)));
    for (std::uint32_t i = 0; i < FILL_TEMPLATES; ++i) {
      const auto one = make_template(addresses, i);
      if (bpf_map_update_elem(bpf_map__fd(skeleton_->maps.templates), &i, &one, BPF_ANY) != 0)
        return failure(fmt::format("templates: {}", std::strerror(errno)));
    }
    return success();
  }

  Status fill() {
    std::array<char, 64> packet{};
    LIBBPF_OPTS(bpf_test_run_opts, options);
    options.data_in = packet.data();
    options.data_size_in = packet.size();
    options.repeat = kRepeats;
    if (bpf_prog_test_run_opts(bpf_program__fd(skeleton_->progs.fill), &options) != 0)
      return failure(fmt::format("filling the ring buffer: {}", std::strerror(errno)));
    if (skeleton_->bss->lost > 0) return failure("the ring buffer is too small for a round");
    return success();
  }

  std::uint64_t drain(gotrace::probe::EventStream& stream) {
    stream_ = &stream;
    const int taken = ring_buffer__consume(ring_.get());
    stream.finish_drain(gotrace::probe::clock_ns(), false);
    return taken < 0 ? 0 : static_cast<std::uint64_t>(taken);
  }

 private:
  static int on_record(void* self, void* data, size_t size) {
    static_cast<Ring*>(self)->stream_->take(Bytes(static_cast<const std::byte*>(data), size));
    return 0;
  }
  std::unique_ptr<gotrace_fill, DestroySkeleton> skeleton_;
  std::unique_ptr<ring_buffer, FreeRing> ring_;
  gotrace::probe::EventStream* stream_ = nullptr;
};

// ---------------------------------------------------------------- where records go, as in a live session
class Sink final : public gotrace::RecordSink {
 public:
  explicit Sink(gotrace::trace::Writer* writer) : writer_(writer) {}
  void accept(const gotrace::Record& record) override {
    if (writer_ != nullptr) writer_->accept(record);
    model_.accept(record);
  }

 private:
  gotrace::trace::Writer* writer_;
  gotrace::model::Model model_;
};

struct Rate {
  double per_second = 0;  // median of the rounds
  std::uint64_t events = 0;
};

Result<Rate> measure_drain(const gotrace::goruntime::Program& program, Ring& ring, gotrace::trace::Writer* writer,
                           int rounds) {
  Sink sink(writer);
  gotrace::goruntime::Symbolizer symbolizer(program, sink);
  const auto objects = gotrace::goruntime::make_object_lookup(program, sink);
  gotrace::probe::EventStream stream(program, symbolizer, *objects, sink, program.target_info().size_classes);
  stream.open_lifecycle(0);
  const auto addresses = some_addresses(program);
  for (std::uint64_t i = 0; i < kStacks; ++i) {
    const auto stack = make_stack(addresses, i);
    stream.take(Bytes(reinterpret_cast<const std::byte*>(&stack), sizeof(stack)));
  }
  Rate rate;
  std::vector<double> rates;
  for (int round = 0; round < rounds; ++round) {
    if (auto filled = ring.fill(); !filled) return filled.error();
    const std::uint64_t begin = thread_cpu_ns();
    const std::uint64_t taken = ring.drain(stream);
    const std::uint64_t spent = thread_cpu_ns() - begin;
    rate.events += taken;
    rates.push_back(static_cast<double>(taken) * 1e9 / static_cast<double>(std::max<std::uint64_t>(1, spent)));
  }
  if (stream.malformed() > 0 || stream.unknown_stacks() > 0) return failure("the made-up events were not understood");
  rate.per_second = median(rates);
  return rate;
}

Result<double> measure_replay(const std::string& path, std::uint64_t events, int rounds) {
  std::vector<double> rates;
  for (int round = 0; round < rounds; ++round) {
    Sink sink(nullptr);
    const std::uint64_t begin = thread_cpu_ns();
    const auto summary = gotrace::trace::read(path, sink);
    if (!summary) return summary.error();
    if (!summary->complete || summary->records < events) return failure("the trace is not what was recorded");
    rates.push_back(static_cast<double>(events) * 1e9 / static_cast<double>(thread_cpu_ns() - begin));
  }
  return median(rates);
}

Status run(pid_t pid, const std::string& directory, int rounds) {
  const auto target = gotrace::process::Target::open(pid);
  if (!target) return target.error();
  const auto program = gotrace::goruntime::Program::open(*target);
  if (!program) return program.error();
  Ring ring;
  if (auto opened = ring.open(some_addresses(**program)); !opened) return opened;
  const auto live = measure_drain(**program, ring, nullptr, rounds);
  if (!live) return live.error();
  const std::string path = directory + "/pipeline.gtl";
  auto writer = gotrace::trace::Writer::create(path, true);
  if (!writer) return writer.error();
  const auto recorded = measure_drain(**program, ring, writer->get(), rounds);
  if (!recorded) return recorded.error();
  if (auto finished = (*writer)->finish(); !finished) return finished;
  const auto replayed = measure_replay(path, recorded->events, rounds);
  if (!replayed) return replayed.error();
  fmt::print(R"({{"drain": {:.0f}, "record": {:.0f}, "replay": {:.0f}, "events": {}, "bytes": {}}})"
             "\n",
             live->per_second, recorded->per_second, *replayed, recorded->events, (*writer)->bytes_written());
  return success();
}

std::optional<int> positive(const char* text) {
  int value = 0;
  const auto parsed = std::from_chars(text, text + std::strlen(text), value);
  return parsed.ec == std::errc() && value > 0 ? std::optional(value) : std::nullopt;
}

}  // namespace

int main(int argc, char** argv) {
  const auto pid = argc == 4 ? positive(argv[1]) : std::nullopt;
  const auto rounds = argc == 4 ? positive(argv[3]) : std::nullopt;
  if (!pid || !rounds) {
    fmt::print(stderr, "bench_pipeline PID DIRECTORY ROUNDS\n");
    return 2;
  }
  if (const auto done = run(*pid, argv[2], *rounds); !done) {
    fmt::print(stderr, "bench_pipeline: {}\n", done.error().text);
    return 1;
  }
  return 0;
}
