// Chains of deferred calls: g._defer, linked from the newest to the oldest (runtime/panic.go, deferproc). A `defer` in
// a loop shows as many records of one stack frame (equal sp), which a function that defers a few things never has;
// recursion does not look so, as each of its calls has a frame of its own.
//
// All chains are followed for a few records, all goroutines' at once; only those that look like a loop are counted to
// the end, and from then on only what is new.
#include <algorithm>
#include <map>
#include <unordered_map>

#include "goruntime/goroutine_reader_batch.h"
#include "goruntime/goroutine_reader_list.h"
#include "goruntime/resource_readers.h"

namespace gotrace::goruntime {
namespace {

constexpr std::size_t kMostGoroutines = 1U << 14;  // looked at in one look; of more, another part each time
constexpr std::size_t kShortChain = 16;            // records that tell a loop from a function with some defers
constexpr std::size_t kLeastSameFrame = 12;
constexpr std::size_t kMostChains = 64;         // counted to the end
constexpr std::uint64_t kMostRecords = 50'000;  // read one by one in one look

struct Record {
  process::Address address = 0;
  process::Address sp = 0;
  process::Address pc = 0;
  process::Address function = 0;  // a func value
  process::Address link = 0;
};

struct Goroutine {
  process::Address g = 0;
  std::uint64_t goid = 0;
  process::Address stack_lo = 0, stack_hi = 0;
  process::Address head = 0;
};

struct Chain {  // as it was counted last
  process::Address g = 0;
  std::map<std::pair<process::Address, process::Address>, std::uint64_t> by_statement;  // {pc, func value's code}
  process::Address newest = 0, newest_link = 0;  // the newest record of the loop's frame
  bool seen = false;                             // in this look
};

class DeferReader final : public Reader {
 public:
  DeferReader(const Program& program, Symbolizer& symbolizer, RecordSink& sink)
      : program_(program),
        layout_(program.layout()),
        symbolizer_(symbolizer),
        sink_(sink),
        memory_(program.target().memory()),
        g_(layout_) {}

  Look look(std::uint64_t now_ns) override {
    if (!usable() || !rest_.over(now_ns)) return Look::unavailable;
    const std::uint64_t begin = thread_cpu_ns();
    const auto all = read_allgs(program_);
    if (!all) return program_.target().alive() ? Look::unavailable : Look::target_gone;
    for (auto& [goid, chain] : chains_) chain.seen = false;
    left_ = kMostRecords;
    const auto goroutines = with_defers(*all);
    if (short_.size() > 2 * kMostGoroutines) short_.clear();
    for (const Goroutine& goroutine : goroutines) short_[goroutine.g] = goroutine.head;
    for (const Goroutine& goroutine : loops_among(goroutines)) {
      short_.erase(goroutine.g);
      count_to_the_end(goroutine);
    }
    send(now_ns, all->size() <= kMostGoroutines);
    rest_.begin(now_ns, thread_cpu_ns() - begin);
    return Look::ok;
  }

 private:
  [[nodiscard]] bool usable() const {
    const auto& fields = layout_._defer;
    return layout_.g._defer.present() && g_.why_unusable().empty() && fields.size != 0 && fields.sp.present() &&
           fields.pc.present() && fields.fn.present() && fields.link.present();
  }

  // Goroutines of this look's part, and those whose chains are known, that have deferred something.
  std::vector<Goroutine> with_defers(const std::vector<process::Address>& all) {
    std::vector<process::Address> part;
    for (const auto& [goid, chain] : chains_) part.push_back(chain.g);
    const std::size_t count = std::min(all.size(), kMostGoroutines);
    for (std::size_t i = 0; i < count; ++i) {
      const process::Address g = all[(next_ + i) % all.size()];
      if (!known_.contains(g)) part.push_back(g);
    }
    next_ = all.empty() ? 0 : (next_ + count) % all.size();
    std::vector<Goroutine> result;
    run_read_plan(memory_, make_read_plan(part, g_.size()), [&](std::uint32_t index, Bytes bytes) {
      const GView view = g_.decode(bytes);
      const auto head = load_or_zero<process::Address>(bytes, layout_.g._defer.offset);
      const auto before = short_.find(part[index]);
      const bool as_before = before != short_.end() && before->second == head && head != 0;
      if (view.exists() && head != 0 && !as_before && view.stack_lo < view.stack_hi)
        result.push_back({part[index], view.goid, view.stack_lo, view.stack_hi, head});
    });
    return result;
  }

  [[nodiscard]] Record decode(process::Address address, Bytes bytes) const {
    const auto& fields = layout_._defer;
    const auto word = [bytes](const Field& field) { return load_or_zero<process::Address>(bytes, field.offset); };
    return {address, word(fields.sp), word(fields.pc), word(fields.fn), word(fields.link)};
  }

  // Follows all chains at once, record by record; keeps those with many records of one frame.
  std::vector<Goroutine> loops_among(const std::vector<Goroutine>& goroutines) {
    struct Walk {
      std::size_t goroutine = 0;
      process::Address at = 0;
      std::vector<process::Address> frames{};
    };
    std::vector<Walk> walks;
    for (std::size_t i = 0; i < goroutines.size(); ++i) walks.push_back({i, goroutines[i].head});
    std::vector<Goroutine> loops;
    for (std::size_t depth = 0; depth < kShortChain && !walks.empty(); ++depth) {
      std::vector<process::Address> addresses;
      for (const Walk& walk : walks) addresses.push_back(walk.at);
      std::vector<Walk> further;
      run_read_plan(memory_, make_read_plan(std::move(addresses), layout_._defer.size),
                    [&](std::uint32_t index, Bytes bytes) {
                      Walk& walk = walks[index];
                      const Record record = decode(walk.at, bytes);
                      const Goroutine& owner = goroutines[walk.goroutine];
                      if (record.sp < owner.stack_lo || record.sp >= owner.stack_hi) return;
                      walk.frames.push_back(record.sp);
                      const auto same = std::count(walk.frames.begin(), walk.frames.end(), record.sp);
                      if (static_cast<std::size_t>(same) >= kLeastSameFrame) return loops.push_back(owner);
                      if (record.link == 0) return;
                      walk.at = record.link;
                      further.push_back(std::move(walk));
                    });
      walks = std::move(further);
    }
    return loops;
  }

  [[nodiscard]] std::optional<Record> read(process::Address address) {
    if (left_ == 0) return std::nullopt;
    --left_;
    const auto bytes = memory_.block(address, layout_._defer.size);
    return bytes ? std::optional(decode(address, *bytes)) : std::nullopt;
  }

  // A chain that contradicts itself went on meanwhile: what was known of it stands.
  void count_to_the_end(const Goroutine& goroutine) {
    const auto known = chains_.find(goroutine.goid);
    if (known == chains_.end() && chains_.size() >= kMostChains) return;
    Chain chain;
    chain.g = goroutine.g;
    std::map<process::Address, std::uint64_t> frames;
    std::vector<Record> records;
    bool continued = false;  // from what was counted before
    for (process::Address at = goroutine.head; at != 0 && !continued;) {
      if (known != chains_.end() && at == known->second.newest) {
        const auto record = read(at);
        continued = record && record->link == known->second.newest_link;
        if (continued) break;
      }
      const auto record = read(at);
      if (!record || record->sp < goroutine.stack_lo || record->sp >= goroutine.stack_hi) return keep(known);
      ++frames[record->sp];
      records.push_back(*record);
      at = record->link;
    }
    if (continued) chain.by_statement = known->second.by_statement;
    const auto loop = std::max_element(frames.begin(), frames.end(),
                                       [](const auto& a, const auto& b) { return a.second < b.second; });
    for (const Record& record : records) {
      if (loop == frames.end() || (record.sp != loop->first && !continued)) continue;
      if (chain.newest == 0) {
        chain.newest = record.address;
        chain.newest_link = record.link;
      }
      const auto code = memory_.value<process::Address>(record.function).value_or(0);
      ++chain.by_statement[{record.pc, code}];
    }
    if (chain.newest == 0 && continued) {
      chain.newest = known->second.newest;
      chain.newest_link = known->second.newest_link;
    }
    chain.seen = true;
    known_.insert_or_assign(goroutine.g, goroutine.goid);
    chains_.insert_or_assign(goroutine.goid, std::move(chain));
  }

  void keep(std::unordered_map<std::uint64_t, Chain>::iterator known) {
    if (known != chains_.end()) known->second.seen = true;
  }

  [[nodiscard]] std::string name_of(process::Address code) const {
    const std::uint64_t bias = program_.load_bias();
    const auto function = code >= bias ? program_.functions().containing(code - bias) : std::nullopt;
    return function ? std::string(function->name) : "?";
  }

  void send(std::uint64_t now_ns, bool all_seen) {
    ResourceLook look;
    look.time_ns = now_ns;
    look.kind = ResourceKind::deferred_calls;
    look.complete = all_seen;
    for (auto chain = chains_.begin(); chain != chains_.end();) {
      if (!chain->second.seen) {  // short again, or its goroutine has ended
        known_.erase(chain->second.g);
        chain = chains_.erase(chain);
        continue;
      }
      for (const auto& [statement, count] : chain->second.by_statement) {
        if (count < kLeastSameFrame) continue;
        look.counts.push_back(
            {name_of(statement.second), symbolizer_.location(statement.first, true), chain->first, count});
        look.total += count;
      }
      ++chain;
    }
    std::stable_sort(look.counts.begin(), look.counts.end(),
                     [](const ResourceCount& a, const ResourceCount& b) { return a.count > b.count; });
    sink_.accept(look);
  }

  const Program& program_;
  const Layout& layout_;
  Symbolizer& symbolizer_;
  RecordSink& sink_;
  process::RemoteMemory& memory_;
  GLayout g_;
  Rest rest_;
  std::size_t next_ = 0;                                       // in allgs, where the next look's part begins
  std::uint64_t left_ = 0;                                     // records that may still be read in this look
  std::unordered_map<std::uint64_t, Chain> chains_;            // by goid
  std::unordered_map<process::Address, std::uint64_t> known_;  // g of each chain
  // Chains that were found short, by g: the newest record. While that is the same there is nothing new.
  std::unordered_map<process::Address, process::Address> short_;
};

}  // namespace

std::unique_ptr<Reader> make_defer_reader(const Program& program, Symbolizer& symbolizer, RecordSink& sink) {
  return std::make_unique<DeferReader>(program, symbolizer, sink);
}

}  // namespace gotrace::goruntime
