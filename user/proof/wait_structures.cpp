#include "proof/wait_structures.h"

#include <utility>

#include "goruntime/goroutine_reader_batch.h"
#include "goruntime/goroutine_reader_list.h"
#include "goruntime/semaphore_waiters.h"

namespace gotrace::proof {
namespace {

using process::Address;
using process::MemoryRange;

constexpr std::uint64_t kPage = 4096;
constexpr int kMostCases = 4096;  // of one select

class Finder {
 public:
  explicit Finder(const goruntime::Program& program) : program_(program), layout_(program.layout()) {}

  [[nodiscard]] std::vector<MemoryRange> find();

 private:
  struct Link {
    Address g = 0;
    Address sudog = 0;
  };
  void add(Address address, std::uint64_t size) {
    if (address > ~0ULL - size - kPage) return;
    ranges_.push_back({address / kPage * kPage, (address + size + kPage - 1) / kPage * kPage});
  }
  [[nodiscard]] std::vector<Link> read_goroutines();
  [[nodiscard]] std::vector<Link> follow(const std::vector<Link>& links);
  void add_semaphores();

  const goruntime::Program& program_;
  const goruntime::Layout& layout_;
  std::vector<MemoryRange> ranges_;
};

std::vector<Finder::Link> Finder::read_goroutines() {
  const goruntime::GLayout layout(layout_);
  std::vector<Link> links;
  auto list = goruntime::read_allgs(program_);
  if (!list || !layout.why_unusable().empty()) return links;
  for (const Address g : *list) add(g, layout.size());
  goruntime::run_read_plan(program_.target().memory(), goruntime::make_read_plan(*list, layout.size()),
                           [&](std::uint32_t index, Bytes bytes) {
                             const goruntime::GView view = layout.decode(bytes);
                             if (view.exists() && view.waiting != 0) links.push_back({(*list)[index], view.waiting});
                           });
  return links;
}

// A sudog of somebody else ends the list: waitlink of a semaphore's leads to others that wait.
std::vector<Finder::Link> Finder::follow(const std::vector<Link>& links) {
  const auto& fields = layout_.sudog;
  const std::uint32_t channel = fields.c.offset + (fields.c.size == 16 ? 8 : 0);  // runtime2.go, maybeTraceablePtr
  std::vector<Address> addresses;
  addresses.reserve(links.size());
  for (const Link& link : links) addresses.push_back(link.sudog);
  std::vector<Link> next;
  goruntime::run_read_plan(program_.target().memory(), goruntime::make_read_plan(std::move(addresses), fields.size),
                           [&](std::uint32_t index, Bytes sudog) {
                             const Link& link = links[index];
                             if (load_or_zero<Address>(sudog, fields.g.offset) != link.g) return;
                             add(link.sudog, fields.size);
                             const auto c = load_or_zero<Address>(sudog, channel);
                             if (c != 0) add(c, layout_.hchan.size);
                             const auto after = load_or_zero<Address>(sudog, fields.waitlink.offset);
                             if (after != 0) next.push_back({link.g, after});
                           });
  return next;
}

void Finder::add_semaphores() {
  constexpr int kAttempts = 3;  // the table may change while it is read
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const auto waiters = goruntime::read_semaphore_waiters(program_);
    if (!waiters) continue;
    for (const auto& waiter : *waiters) add(waiter.sudog, layout_.sudog.size);
    return;
  }
}

std::vector<MemoryRange> Finder::find() {
  auto links = read_goroutines();
  if (layout_.sudog.size != 0)
    for (int i = 0; i < kMostCases && !links.empty(); ++i) links = follow(links);
  add_semaphores();
  return process::merged(std::move(ranges_));
}

}  // namespace

std::vector<MemoryRange> find_wait_structures(const goruntime::Program& program) { return Finder(program).find(); }

}  // namespace gotrace::proof
