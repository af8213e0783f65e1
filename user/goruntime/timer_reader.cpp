// Timers in the Ps' heaps: runtime/time.go, one array of timers (up to Go 1.22) or of {timer, when} a P. Stopped ones
// that the heap has not dropped yet are left out.
//
// Counted are only timers whose number should not rise by itself: tickers whose tick nobody took (the channel's buffer
// is full and nobody waits), by period; and the functions of AfterFunc that are due soon, so that one-shot timers of a
// long delay (timeouts) that fill up to their plateau don't look like growth.
#include <algorithm>
#include <limits>
#include <map>
#include <unordered_map>

#include "goruntime/goroutine_reader_batch.h"
#include "goruntime/goroutine_reader_list.h"
#include "goruntime/resource_readers.h"

namespace gotrace::goruntime {
namespace {

constexpr std::uint64_t kMostProcessors = 1U << 12;
constexpr std::size_t kMostTimers = 1U << 14;  // read in one look
constexpr std::size_t kMostGroups = 32;
constexpr std::uint64_t kSoonNs = 3'000'000'000;

class TimerReader final : public Reader {
 public:
  TimerReader(const Program& program, Symbolizer& symbolizer, RecordSink& sink)
      : program_(program),
        layout_(program.layout()),
        symbolizer_(symbolizer),
        sink_(sink),
        memory_(program.target().memory()) {}

  Look look(std::uint64_t now_ns) override {
    if (!usable() || !rest_.over(now_ns)) return Look::unavailable;
    const std::uint64_t begin = thread_cpu_ns();
    const auto addresses = timer_addresses();
    if (!addresses) return program_.target().alive() ? Look::unavailable : Look::target_gone;
    now_ns_ = now_ns;
    tickers_.clear();
    functions_.clear();
    read_timers(*addresses);
    send(*addresses);
    rest_.begin(now_ns, thread_cpu_ns() - begin);
    return Look::ok;
  }

 private:
  struct Heaps {
    std::vector<process::Address> timers;
    std::uint64_t total = 0;
  };
  struct Ticker {
    process::Address channel = 0;
    std::uint64_t period = 0;
  };

  [[nodiscard]] bool usable() const {
    const auto& timer = layout_.timer;
    return timer.size != 0 && timer.period.present() && timer.f.present() && timer.arg.present() &&
           timer.when.present() && (timer.state.present() || timer.status.present()) &&
           (layout_.p.timers_heap_array.present() || layout_.p.timers_array.present());
  }

  [[nodiscard]] std::optional<Heaps> timer_addresses() const {
    const auto allp = program_.global("allp");
    if (!allp) return std::nullopt;
    const auto array = memory_.value<process::Address>(*allp);
    const auto length = memory_.value<std::uint64_t>(*allp + 8);
    if (!array || !length || *length > kMostProcessors) return std::nullopt;
    Heaps heaps;
    for (std::uint64_t i = 0; i < *length; ++i)
      if (const auto p = memory_.value<process::Address>(*array + 8 * i)) add_heap(*p, heaps);
    return heaps;
  }

  void add_heap(process::Address p, Heaps& heaps) const {
    const bool pairs = layout_.p.timers_heap_array.present();
    const Field& array = pairs ? layout_.p.timers_heap_array : layout_.p.timers_array;
    const Field& length = pairs ? layout_.p.timers_heap_len : layout_.p.timers_len;
    const std::uint64_t step = pairs ? layout_.timerWhen.size : 8;
    const auto heap = memory_.value<process::Address>(p + array.offset);
    const auto count = memory_.value<std::uint64_t>(p + length.offset);
    if (!heap || !count || step == 0 || *count > (1ULL << 32)) return;
    heaps.total += *count;
    const std::uint64_t wanted = std::min<std::uint64_t>(*count, kMostTimers - heaps.timers.size());
    const auto block = memory_.block(*heap, step * wanted);
    if (!block) return;
    for (std::uint64_t at = 0; at < wanted; ++at)
      heaps.timers.push_back(load_or_zero<process::Address>(*block, step * at));
  }

  // Stopped, and only waiting to be swept out of the heap.
  [[nodiscard]] bool stopped(Bytes timer) const {
    constexpr std::uint8_t kZombie = 4;  // runtime/time.go, Go 1.23: timerZombie
    if (layout_.timer.state.present())
      return (load_or_zero<std::uint8_t>(timer, layout_.timer.state.offset) & kZombie) != 0;
    const auto status = load_or_zero<std::uint32_t>(timer, layout_.timer.status.offset);
    return status == 0 || (status >= 3 && status <= 5);  // none, deleted, removing, removed
  }

  void read_timers(const Heaps& heaps) {
    std::vector<Ticker> tickers;
    std::map<process::Address, std::uint64_t> closures;
    const auto& fields = layout_.timer;
    run_read_plan(memory_, make_read_plan(heaps.timers, fields.size), [&](std::uint32_t, Bytes timer) {
      if (stopped(timer)) return;
      const auto function = load_or_zero<process::Address>(timer, fields.f.offset);
      const auto data = load_or_zero<process::Address>(timer, fields.arg.offset + 8);  // of an interface: {type, data}
      const auto period = load_or_zero<std::uint64_t>(timer, fields.period.offset);
      const auto when = load_or_zero<std::uint64_t>(timer, fields.when.offset);
      if (data == 0 || period > std::numeric_limits<std::int64_t>::max()) return;
      if (period != 0) tickers.push_back({data, period});
      if (period == 0 && when <= now_ns_ + kSoonNs && named(function, "time.goFunc")) ++closures[data];
    });
    count_unread(tickers);
    for (const auto& [closure, count] : closures)
      if (const auto pc = memory_.value<process::Address>(closure)) functions_[*pc] += count;
  }

  // A func value points to a word that holds the code's address.
  bool named(process::Address value, std::string_view name) {
    const auto known = names_.find(value);
    if (known != names_.end()) return known->second == name;
    const auto pc = memory_.value<process::Address>(value).value_or(0);
    const std::uint64_t bias = program_.load_bias();
    const auto function = pc >= bias ? program_.functions().containing(pc - bias) : std::nullopt;
    if (names_.size() > 256) names_.clear();  // only a hostile target has so many
    return names_.emplace(value, function ? function->name : std::string_view()).first->second == name;
  }

  void count_unread(const std::vector<Ticker>& tickers) {
    const auto& fields = layout_.hchan;
    if (fields.size == 0) return;
    std::vector<process::Address> channels;
    for (const Ticker& ticker : tickers) channels.push_back(ticker.channel);
    run_read_plan(memory_, make_read_plan(std::move(channels), fields.size), [&](std::uint32_t index, Bytes channel) {
      const auto used = load_or_zero<std::uint64_t>(channel, fields.qcount.offset);
      const auto room = load_or_zero<std::uint64_t>(channel, fields.dataqsiz.offset);
      const auto receiver = load_or_zero<process::Address>(channel, fields.recvq_first.offset);
      if (room == 1 && used == 1 && receiver == 0) ++tickers_[tickers[index].period];
    });
  }

  void send(const Heaps& heaps) {
    ResourceLook look;
    look.time_ns = now_ns_;
    look.kind = ResourceKind::timers;
    look.total = heaps.total;
    look.complete = heaps.total == heaps.timers.size();
    for (const auto& [period, count] : tickers_)
      look.counts.push_back({"unread ticker", LocationId::none, period, count});
    for (const auto& [pc, count] : functions_)
      look.counts.push_back({"function", symbolizer_.location(pc, false), 0, count});
    std::stable_sort(look.counts.begin(), look.counts.end(),
                     [](const ResourceCount& a, const ResourceCount& b) { return a.count > b.count; });
    if (look.counts.size() > kMostGroups) look.counts.resize(kMostGroups);
    sink_.accept(look);
  }

  const Program& program_;
  const Layout& layout_;
  Symbolizer& symbolizer_;
  RecordSink& sink_;
  process::RemoteMemory& memory_;
  Rest rest_;
  std::uint64_t now_ns_ = 0;
  std::unordered_map<process::Address, std::string_view> names_;  // of functions, by func value
  std::map<std::uint64_t, std::uint64_t> tickers_;                // unread, by period
  std::map<process::Address, std::uint64_t> functions_;           // of AfterFunc, by code address
};

}  // namespace

std::unique_ptr<Reader> make_timer_reader(const Program& program, Symbolizer& symbolizer, RecordSink& sink) {
  return std::make_unique<TimerReader>(program, symbolizer, sink);
}

}  // namespace gotrace::goruntime
