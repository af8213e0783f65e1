// bench_naive PID: attaches the rival of naive.bpf.c until stdin is closed. Prints READY, and at the end one line of
// JSON with the hits of each probe, what was lost, and what one trap at such a site costs.
#include "naive/naive.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <naive.skel.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

#include "base/unique_fd.h"
#include "goruntime/program.h"
#include "probe/calibration.h"
#include "probe/kernel_side.h"
#include "process/target.h"

namespace {

using gotrace::failure;
using gotrace::Result;
using gotrace::Status;
using gotrace::success;

constexpr std::array<const char*, NAIVE_PROBES> kFunctions{"runtime.newproc", "runtime.gopark", "runtime.mallocgc"};
constexpr std::uint64_t kBuffer = 64 << 10;
constexpr int kPollMs = 100;

struct DestroySkeleton {
  void operator()(gotrace_naive* skeleton) const { gotrace_naive::destroy(skeleton); }
};
struct FreeRing {
  void operator()(ring_buffer* ring) const { ring_buffer__free(ring); }
};
struct DestroyLink {
  void operator()(bpf_link* link) const { bpf_link__destroy(link); }
};

class Naive {
 public:
  Status start(const gotrace::goruntime::Program& program);
  bool poll() { return ring_buffer__poll(ring_.get(), kPollMs) >= 0 || errno == EINTR; }
  [[nodiscard]] std::string report(std::uint64_t trap_ns);

 private:
  Status attach(bpf_program* program, const gotrace::goruntime::Program& target, const char* function);
  static int on_event(void* self, void* data, size_t size) {
    auto& naive = *static_cast<Naive*>(self);
    naive_event event;
    if (size < sizeof(event)) return 0;
    std::memcpy(&event, data, sizeof(event));
    ++naive.taken_;
    naive.without_stack_ += event.stack_bytes < 0 ? 1 : 0;
    return 0;
  }

  std::unique_ptr<gotrace_naive, DestroySkeleton> skeleton_;
  std::unique_ptr<ring_buffer, FreeRing> ring_;
  std::vector<std::unique_ptr<bpf_link, DestroyLink>> links_;
  std::uint64_t taken_ = 0;
  std::uint64_t without_stack_ = 0;
};

Status Naive::attach(bpf_program* program, const gotrace::goruntime::Program& target, const char* function) {
  const auto found = target.functions().find(function);
  if (!found) return failure(fmt::format("{} is not in this program", function));
  const auto offset = target.file_offset(found->entry);
  if (!offset) return failure(fmt::format("{} is not in the executable file", function));
  const auto path = fmt::format("/proc/self/fd/{}", target.target().exe_fd());
  std::unique_ptr<bpf_link, DestroyLink> link(
      bpf_program__attach_uprobe(program, false, target.target().pid(), path.c_str(), *offset));
  if (!link) return failure(fmt::format("{}: {}", function, std::strerror(errno)));
  links_.push_back(std::move(link));
  return success();
}

Status Naive::start(const gotrace::goruntime::Program& program) {
  libbpf_set_print(nullptr);
  skeleton_.reset(gotrace_naive::open_and_load());
  if (!skeleton_) return failure(fmt::format("loading: {}", std::strerror(errno)));
  ring_.reset(ring_buffer__new(bpf_map__fd(skeleton_->maps.events), &Naive::on_event, this, nullptr));
  if (!ring_) return failure(fmt::format("ring buffer: {}", std::strerror(errno)));
  const std::array programs{skeleton_->progs.newproc, skeleton_->progs.gopark, skeleton_->progs.mallocgc};
  for (std::size_t i = 0; i < programs.size(); ++i) {
    if (auto attached = attach(programs[i], program, kFunctions[i]); !attached) return attached;
  }
  return success();
}

std::string Naive::report(std::uint64_t trap_ns) {
  std::vector<naive_counters> each(static_cast<std::size_t>(libbpf_num_possible_cpus()));
  std::array<std::uint64_t, NAIVE_PROBES> hits{};
  std::uint64_t lost = 0, run_ns = 0;
  for (std::uint32_t probe = 0; probe < NAIVE_PROBES; ++probe) {
    if (bpf_map_lookup_elem(bpf_map__fd(skeleton_->maps.counters), &probe, each.data()) != 0) continue;
    for (const auto& one : each) {
      hits[probe] += one.hits;
      lost += one.lost;
      run_ns += one.run_ns;
    }
  }
  return fmt::format(
      R"({{"newproc": {}, "gopark": {}, "mallocgc": {}, "lost": {}, "taken": {}, "without_stack": {}, "run_ns": {}, )"
      R"("trap_ns": {}}})",
      hits[NAIVE_NEWPROC], hits[NAIVE_GOPARK], hits[NAIVE_MALLOCGC], lost, taken_, without_stack_, run_ns, trap_ns);
}

// Of a site that is single-stepped, as entries of Go functions are.
Result<std::uint64_t> entry_trap_ns() {
  const auto kind = gotrace::probe::AttachKind::perf;
  const auto kernel = gotrace::probe::KernelSide::load({}, kind, kBuffer);
  if (!kernel) return kernel.error();
  const auto cost = gotrace::probe::calibrate_trap(**kernel, gotrace::probe::SiteKind::stepped);
  if (!cost) return cost.error();
  return cost->alone_ns;
}

bool stdin_closed() {
  pollfd input{STDIN_FILENO, POLLIN, 0};
  return ::poll(&input, 1, 0) != 0;
}

Status run(pid_t pid) {
  const auto trap_ns = entry_trap_ns();
  if (!trap_ns) return trap_ns.error();
  const auto target = gotrace::process::Target::open(pid);
  if (!target) return target.error();
  const auto program = gotrace::goruntime::Program::open(*target);
  if (!program) return program.error();
  Naive naive;
  if (auto started = naive.start(**program); !started) return started;
  fmt::print("READY\n");
  std::fflush(stdout);
  while (!stdin_closed()) {
    if (!naive.poll()) return failure("polling the ring buffer");
  }
  fmt::print("{}\n", naive.report(*trap_ns));
  return success();
}

}  // namespace

int main(int argc, char** argv) {
  pid_t pid = 0;
  const char* text = argc == 2 ? argv[1] : "";
  if (const auto parsed = std::from_chars(text, text + std::strlen(text), pid); parsed.ec != std::errc() || pid <= 0) {
    fmt::print(stderr, "bench_naive PID\n");
    return 2;
  }
  if (const auto done = run(pid); !done) {
    fmt::print(stderr, "bench_naive: {}\n", done.error().text);
    return 1;
  }
  return 0;
}
