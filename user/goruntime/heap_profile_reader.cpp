// The runtime's own heap profile: the list of buckets at runtime.mbuckets, read from outside as runtime/pprof reads it
// from inside. Buckets are never freed (runtime/mprof.go), so the list is followed only up to the newest one known.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <unordered_set>
#include <vector>

#include "goruntime/goroutine_reader_batch.h"
#include "goruntime/goroutine_reader_list.h"
#include "goruntime/readers.h"

namespace gotrace::goruntime {
namespace {

constexpr std::size_t kMostBuckets = 1U << 20;
constexpr std::uint64_t kMostFrames = 1024;  // GODEBUG=profstackdepth can't be larger (Go 1.23, runtime/mprof.go)
constexpr std::uint64_t kMemoryProfile = 1;  // bucketType memProfile
constexpr std::uint32_t kCyclesAhead = 3;    // len(memRecord.future)
constexpr int kAttempts = 4;
constexpr std::uint64_t kFirstSamplesNs = 300'000'000;  // in which each busy P has allocated something

struct Counters {
  std::uint64_t allocs = 0;
  std::uint64_t frees = 0;
  std::uint64_t pending_allocs = 0;
  std::uint64_t pending_frees = 0;
  friend bool operator==(const Counters&, const Counters&) = default;
};

struct Bucket {
  process::Address record = 0;  // its memRecord
  std::uint64_t size = 0;
  StackId stack = StackId::none;
  bool sent = false;
  Counters counters{};
  Counters base{};  // discarded: seen before what the profile says is to be believed
};

class HeapProfileReader final : public Reader {
 public:
  HeapProfileReader(const Program& program, Symbolizer& symbolizer, RecordSink& sink, bool ours)
      : program_(program), symbolizer_(symbolizer), sink_(sink), memory_(program.target().memory()) {
    now_ns_ = monotonic_ns();
    if (ours) believed_from_ns_ = now_ns_ + kFirstSamplesNs;
    const std::string why = why_unusable();
    usable_ = why.empty();
    if (usable_) {
      set_on(read_rate().value_or(0) > 0);
    } else {
      send_state(SourceStatus::failed, why);
    }
  }

  Look look(std::uint64_t now_ns) override {
    if (!usable_) return Look::unavailable;
    now_ns_ = now_ns;
    const auto rate = read_rate();
    if (!rate) return program_.target().alive() ? Look::unavailable : Look::target_gone;
    if ((*rate > 0) != on_) set_on(*rate > 0);
    if (!on_) return Look::unavailable;
    if (!find_new_buckets()) return program_.target().alive() ? Look::unavailable : Look::target_gone;
    read_counters();
    send_torn();
    if (now_ns_ < believed_from_ns_) return Look::ok;  // what was seen so far is the base to subtract
    believed_from_ns_ = 0;
    sink_.accept(HeapProfile{
        .time_ns = now_ns_, .rate = static_cast<std::uint64_t>(*rate), .cycle = cycle(), .buckets = buckets_.size()});
    return Look::ok;
  }

 private:
  [[nodiscard]] std::string why_unusable() const {
    const Layout& layout = program_.layout();
    if (!layout.bucket.next.present() || !layout.bucket.nstk.present() || !layout.memRecordCycle.frees.present() ||
        !layout.memRecord.future.present()) {
      return "the layout of the heap profile is not known for this Go version";
    }
    for (const char* name : {"mbuckets", "MemProfileRate"}) {
      if (!program_.global(name))
        return std::string("runtime.") + name + " was not found: " + program_.why_missing(name);
    }
    return {};
  }

  void send_state(SourceStatus status, std::string reason) {
    sink_.accept(SourceState{
        .time_ns = now_ns_, .name = "heap-profile", .status = status, .reason = std::move(reason), .fix = ""});
  }

  void set_on(bool on) {
    on_ = on;
    if (on) return send_state(SourceStatus::on, "");
    send_state(SourceStatus::off, "the program's heap profile is off (MemProfileRate 0; its linker dropped it)");
  }

  [[nodiscard]] std::optional<std::int64_t> read_rate() {
    return memory_.value<std::int64_t>(*program_.global("MemProfileRate"));
  }

  // mProf.cycle (Go 1.15) is the number itself; later it is kept shifted, with a flag in bit 0 (mProfCycleHolder).
  [[nodiscard]] std::uint32_t cycle() {
    const auto address = program_.global("mProfCycle");
    if (!address) return 0;
    const std::uint32_t value = memory_.value<std::uint32_t>(*address).value_or(0);
    return program_.layout().mProfCycleHolder.size != 0 ? value >> 1 : value;
  }

  // New buckets are put at the head. False when the list could not be read at all.
  [[nodiscard]] bool find_new_buckets() {
    const auto head = memory_.value<process::Address>(*program_.global("mbuckets"));
    if (!head) return false;
    std::vector<Bucket> fresh;
    std::unordered_set<process::Address> seen;
    process::Address next = *head;
    for (; next != 0 && next != newest_;) {
      if (buckets_.size() + fresh.size() >= kMostBuckets || !seen.insert(next).second) break;
      const auto link = read_bucket(next, fresh);
      if (!link) break;
      next = *link;
    }
    // Cut short, the rest would never be reached again: keep the old end and try anew at the next look.
    if (next != newest_ && !fresh.empty() && buckets_.size() + fresh.size() < kMostBuckets) {
      ++torn_;
      return true;
    }
    newest_ = *head;
    buckets_.insert(buckets_.end(), fresh.rbegin(), fresh.rend());
    return true;
  }

  // Appends the bucket at `address` and returns the one after it; nullopt when it makes no sense.
  [[nodiscard]] std::optional<process::Address> read_bucket(process::Address address, std::vector<Bucket>& into) {
    const auto& layout = program_.layout().bucket;
    const auto header = memory_.block(address, layout.size);
    if (!header) return std::nullopt;
    const auto frames = load_or_zero<std::uint64_t>(*header, layout.nstk.offset);
    const auto type = load_or_zero<std::uint64_t>(*header, layout.typ.offset);
    if (frames > kMostFrames || type != kMemoryProfile) return std::nullopt;
    std::vector<process::Address> pcs(static_cast<std::size_t>(frames));
    if (!memory_.read(address + layout.size, std::as_writable_bytes(std::span(pcs)))) return std::nullopt;
    into.push_back({.record = address + layout.size + 8 * frames,
                    .size = load_or_zero<std::uint64_t>(*header, layout.size_.offset),
                    .stack = symbolizer_.logical_stack(pcs)});
    return load_or_zero<std::uint64_t>(*header, layout.allnext.offset);
  }

  [[nodiscard]] Counters decode(Bytes record) const {
    const Layout& layout = program_.layout();
    const auto& field = layout.memRecordCycle;
    const auto at = [&](std::uint64_t base, const Field& f) {
      return load_or_zero<std::uint64_t>(record, base + f.offset);
    };
    Counters counters{.allocs = at(layout.memRecord.active.offset, field.allocs),
                      .frees = at(layout.memRecord.active.offset, field.frees)};
    for (std::uint32_t i = 0; i < kCyclesAhead; ++i) {
      const std::uint64_t base = layout.memRecord.future.offset + i * field.size;
      counters.pending_allocs += at(base, field.allocs);
      counters.pending_frees += at(base, field.frees);
    }
    return counters;
  }

  [[nodiscard]] static bool plausible(const Counters& c) {
    constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max() / 8;
    if (c.allocs > kMost || c.pending_allocs > kMost || c.frees > kMost || c.pending_frees > kMost) return false;
    return c.frees <= c.allocs && c.frees + c.pending_frees <= c.allocs + c.pending_allocs;
  }

  // A publication (mProf_FlushLocked) moves counts from pending to active: one that happens while a bucket is read
  // would count them twice or not at all. Believed when two readings, one after the other, agree on active.
  void read_counters() {
    std::vector<std::uint32_t> pending(buckets_.size());
    for (std::uint32_t i = 0; i < pending.size(); ++i) pending[i] = i;
    auto before = read_records(pending);
    for (int attempt = 0; attempt < kAttempts && !pending.empty(); ++attempt) {
      auto after = read_records(pending);
      std::vector<std::uint32_t> again;
      std::vector<std::optional<Counters>> kept;
      for (std::size_t i = 0; i < pending.size(); ++i) {
        const bool agree = before[i] && after[i] && before[i]->allocs == after[i]->allocs &&
                           before[i]->frees == after[i]->frees && plausible(*after[i]);
        if (agree) {
          publish(buckets_[pending[i]], *after[i]);
        } else {
          again.push_back(pending[i]);
          kept.push_back(after[i]);
        }
      }
      pending = std::move(again);
      before = std::move(kept);
    }
    torn_ += pending.size();
  }

  [[nodiscard]] std::vector<std::optional<Counters>> read_records(const std::vector<std::uint32_t>& which) {
    std::vector<process::Address> addresses;
    addresses.reserve(which.size());
    for (const std::uint32_t index : which) addresses.push_back(buckets_[index].record);
    std::vector<std::optional<Counters>> result(which.size());
    run_read_plan(memory_, make_read_plan(std::move(addresses), program_.layout().memRecord.size),
                  [&](std::uint32_t index, Bytes record) { result[index] = decode(record); });
    return result;
  }

  // Less what is discarded: of what is published first, and what of it is still pending.
  [[nodiscard]] static Counters without(const Counters& base, const Counters& counters) {
    const auto less = [](std::uint64_t a, std::uint64_t b) { return a > b ? a - b : 0; };
    Counters rest{.allocs = less(counters.allocs, base.allocs),
                  .frees = less(counters.frees, base.frees),
                  .pending_allocs = less(counters.pending_allocs, less(base.allocs, counters.allocs)),
                  .pending_frees = less(counters.pending_frees, less(base.frees, counters.frees))};
    rest.frees = std::min(rest.frees, rest.allocs);  // the discarded ones are freed as well
    rest.pending_frees = std::min(rest.pending_frees, rest.allocs + rest.pending_allocs - rest.frees);
    return rest;
  }

  void publish(Bucket& bucket, const Counters& found) {
    if (now_ns_ < believed_from_ns_) {
      bucket.base = {.allocs = found.allocs + found.pending_allocs, .frees = found.frees + found.pending_frees};
      return;
    }
    const Counters counters = without(bucket.base, found);
    if (bucket.sent && bucket.counters == counters) return;
    bucket.sent = true;
    bucket.counters = counters;
    sink_.accept(HeapBucket{.stack = bucket.stack,
                            .size = bucket.size,
                            .allocs = counters.allocs,
                            .frees = counters.frees,
                            .pending_allocs = counters.pending_allocs,
                            .pending_frees = counters.pending_frees});
  }

  void send_torn() {
    if (torn_ == torn_sent_) return;
    torn_sent_ = torn_;
    sink_.accept(Loss{.time_ns = now_ns_, .cause = "torn_buckets", .count = torn_});
  }

  const Program& program_;
  Symbolizer& symbolizer_;
  RecordSink& sink_;
  process::RemoteMemory& memory_;
  bool usable_ = false;
  bool on_ = false;
  std::uint64_t now_ns_ = 0;
  std::uint64_t believed_from_ns_ = 0;
  process::Address newest_ = 0;  // the head of the list at the last look
  std::vector<Bucket> buckets_;  // oldest first
  std::uint64_t torn_ = 0;
  std::uint64_t torn_sent_ = 0;
};

}  // namespace

std::unique_ptr<Reader> make_heap_profile_reader(const Program& program, Symbolizer& symbolizer, RecordSink& sink,
                                                 bool ours) {
  return std::make_unique<HeapProfileReader>(program, symbolizer, sink, ours);
}

}  // namespace gotrace::goruntime
