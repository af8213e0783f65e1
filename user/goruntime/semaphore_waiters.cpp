#include "goruntime/semaphore_waiters.h"

#include <unordered_set>

namespace gotrace::goruntime {
namespace {

constexpr std::size_t kMostWaiters = 1U << 25;
constexpr std::uint64_t kRoots = 251;  // semTabSize, runtime/sema.go, Go 1.15 to 1.27; each padded to a cache line

class TableReader {
 public:
  explicit TableReader(const Program& program) : layout_(program.layout()), memory_(program.target().memory()) {}

  // A root is the top of a tree by address (prev and next are its branches), each node of which begins a list of those
  // that wait on the same address (waitlink).
  bool read_root(process::Address top) {
    pending_.assign(1, top);
    while (!pending_.empty()) {
      const process::Address node = pending_.back();
      pending_.pop_back();
      for (process::Address at = node; at != 0;) {
        const auto sudog = seen_.insert(at).second && seen_.size() <= kMostWaiters
                               ? memory_.block(at, layout_.sudog.size)
                               : std::nullopt;
        if (!sudog) return false;
        add(at, *sudog);
        if (at == node) {
          branch(load_or_zero<process::Address>(*sudog, layout_.sudog.prev.offset));
          branch(load_or_zero<process::Address>(*sudog, layout_.sudog.next.offset));
        }
        at = load_or_zero<process::Address>(*sudog, layout_.sudog.waitlink.offset);
      }
    }
    return true;
  }
  [[nodiscard]] std::vector<SemaphoreWaiter> take() { return std::move(waiters_); }

 private:
  void add(process::Address at, Bytes sudog) {
    // From Go 1.26 on {vp, vu}, vu being the one that always holds the address (runtime2.go, maybeTraceablePtr).
    const Field& element = layout_.sudog.elem;
    waiters_.push_back({load_or_zero<process::Address>(sudog, layout_.sudog.g.offset), at,
                        load_or_zero<process::Address>(sudog, element.offset + (element.size == 16 ? 8 : 0))});
  }
  void branch(process::Address node) {
    if (node != 0) pending_.push_back(node);
  }

  const Layout& layout_;
  process::RemoteMemory& memory_;
  std::vector<process::Address> pending_;
  std::unordered_set<process::Address> seen_;
  std::vector<SemaphoreWaiter> waiters_;
};

}  // namespace

std::optional<SemaphoreTable> semaphore_table(const Program& program) {
  const auto begin = program.global("semtable");
  const auto& table = program.layout().semTable;
  if (!begin || table.size == 0) return std::nullopt;
  return SemaphoreTable{*begin, table.size};
}

std::optional<std::vector<SemaphoreWaiter>> read_semaphore_waiters(const Program& program) {
  const auto table = semaphore_table(program);
  const Layout& layout = program.layout();
  if (!table || !layout.semaRoot.treap.present() || layout.sudog.size == 0) return std::nullopt;
  const std::uint64_t step = table->size / kRoots;
  TableReader reader(program);
  for (std::uint64_t i = 0; i < kRoots; ++i) {
    const auto top =
        program.target().memory().value<process::Address>(table->begin + i * step + layout.semaRoot.treap.offset);
    if (!top || (*top != 0 && !reader.read_root(*top))) return std::nullopt;
  }
  return reader.take();
}

}  // namespace gotrace::goruntime
