// Threads: how many the kernel has of the process, and how many of these the Go runtime made and keeps idle.
#include <fmt/format.h>

#include "goruntime/resource_readers.h"
#include "process/proc_text.h"

namespace gotrace::goruntime {
namespace {

class ThreadReader final : public Reader {
 public:
  ThreadReader(const Program& program, RecordSink& sink) : program_(program), sink_(sink) {}

  Look look(std::uint64_t now_ns) override {
    const auto stat = process::parse_stat(
        process::read_proc_text(fmt::format("/proc/{}/stat", program_.target().pid())).value_or(""));
    if (!stat) return Look::target_gone;
    ResourceLook look;
    look.time_ns = now_ns;
    look.kind = ResourceKind::threads;
    look.total = stat->threads;
    add_scheduler(look);
    sink_.accept(look);
    return Look::ok;
  }

 private:
  // runtime/proc.go, mcount(): ids handed out less Ms freed; some of these are parked for reuse.
  void add_scheduler(ResourceLook& look) const {
    const auto sched = program_.global("sched");
    const auto& fields = program_.layout().schedt;
    if (!sched || !fields.mnext.present() || !fields.nmfreed.present() || !fields.nmidle.present()) return;
    auto& memory = program_.target().memory();
    const auto next = memory.value<std::int64_t>(*sched + fields.mnext.offset);
    const auto freed = memory.value<std::int64_t>(*sched + fields.nmfreed.offset);
    const auto idle = memory.value<std::int32_t>(*sched + fields.nmidle.offset);
    if (!next || !freed || !idle || *idle < 0 || *next - *freed < *idle || *next - *freed > kMost) return;
    look.counts.push_back({"go", LocationId::none, 0, static_cast<std::uint64_t>(*next - *freed - *idle)});
    look.counts.push_back({"idle", LocationId::none, 0, static_cast<std::uint64_t>(*idle)});
    if (!fields.maxmcount.present()) return;
    const auto most = memory.value<std::int32_t>(*sched + fields.maxmcount.offset);
    if (most && *most > 0) look.limit = static_cast<std::uint64_t>(*most);
  }

  static constexpr std::int64_t kMost = 1 << 22;  // the kernel's largest pid

  const Program& program_;
  RecordSink& sink_;
};

}  // namespace

std::unique_ptr<Reader> make_thread_reader(const Program& program, RecordSink& sink) {
  return std::make_unique<ThreadReader>(program, sink);
}

}  // namespace gotrace::goruntime
