// Finalizers and cleanups that a GC found due and that have not run: a queue that one goroutine (or few) works off.
#include "goruntime/resource_readers.h"

namespace gotrace::goruntime {
namespace {

constexpr int kMostBlocks = 4096;  // of about a hundred finalizers each

class FinalizerReader final : public Reader {
 public:
  FinalizerReader(const Program& program, RecordSink& sink)
      : program_(program), sink_(sink), memory_(program.target().memory()) {}

  Look look(std::uint64_t now_ns) override {
    ResourceLook look;
    look.time_ns = now_ns;
    look.kind = ResourceKind::finalizers;
    const auto finalizers = queued_finalizers(look.complete);
    const auto cleanups = queued_cleanups();
    if (!finalizers && !cleanups) return Look::unavailable;
    if (finalizers) look.counts.push_back({"finalizers", LocationId::none, 0, *finalizers});
    if (cleanups) look.counts.push_back({"cleanups", LocationId::none, 0, *cleanups});
    for (const ResourceCount& count : look.counts) look.total += count.count;
    sink_.accept(look);
    return Look::ok;
  }

 private:
  // runtime/mfinal.go: finq, a list of blocks; the goroutine takes the whole list at once.
  std::optional<std::uint64_t> queued_finalizers(bool& complete) const {
    const auto queue = program_.global("finq");
    const auto& block = program_.layout().finblock;
    if (!queue || !block.next.present() || !block.cnt.present() || block.size == 0) return std::nullopt;
    auto at = memory_.value<process::Address>(*queue);
    if (!at) return std::nullopt;
    std::uint64_t count = 0;
    for (int i = 0; i < kMostBlocks && *at != 0; ++i) {
      const auto used = memory_.value<std::uint32_t>(*at + block.cnt.offset);
      const auto next = memory_.value<process::Address>(*at + block.next.offset);
      if (!used || !next || *used > block.size) return std::nullopt;
      count += *used;
      at = next;
    }
    complete = complete && *at == 0;
    return count;
  }

  // runtime/mcleanup.go, Go 1.25: cleanups are queued in blocks; workUnits counts the full ones. (What was queued by
  // each P, and not yet put into a block, is not seen: at least so many.)
  std::optional<std::uint64_t> queued_cleanups() const {
    const auto queue = program_.global("gcCleanups");
    const auto& blocks = program_.layout().cleanupQueue.workUnits;
    const auto& each = program_.layout().cleanupBlock.cleanups;
    if (!queue || !blocks.present() || !each.present()) return std::nullopt;
    const auto count = memory_.value<std::int64_t>(*queue + blocks.offset);
    if (!count || *count > (1LL << 40)) return std::nullopt;
    return *count > 0 ? static_cast<std::uint64_t>(*count) * each.count : 0;
  }

  const Program& program_;
  RecordSink& sink_;
  process::RemoteMemory& memory_;
};

}  // namespace

std::unique_ptr<Reader> make_finalizer_reader(const Program& program, RecordSink& sink) {
  return std::make_unique<FinalizerReader>(program, sink);
}

}  // namespace gotrace::goruntime
