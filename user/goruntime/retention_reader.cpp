#include "goruntime/retention_reader.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <unordered_map>

#include "goruntime/allocation_stacks.h"
#include "goruntime/goroutine_reader_list.h"
#include "goruntime/holder_chain.h"
#include "goruntime/holder_words.h"
#include "goruntime/plain_types.h"
#include "goruntime/retention_pass.h"
#include "goruntime/retention_suspects.h"
#include "goruntime/search_pace.h"
#include "goruntime/stack_lists.h"
#include "process/memory_figures.h"
#include "process/memory_presence.h"

namespace gotrace::goruntime {
namespace {

constexpr std::uint64_t kSliceBytes = 2U << 20;       // read before the clock is asked
constexpr std::uint64_t kSliceNs = 15'000'000;        // of CPU time, of one look
constexpr double kShare = 0.2;                        // of what all may take
constexpr double kCreditNs = 40e9;                    // what such a time allows all may be taken at once
constexpr double kMostCpu = 0.2;                      // searches don't get better from more
constexpr std::uint64_t kFirstAfterNs = 300'000'000;  // what the session reads at its start comes first
constexpr std::uint64_t kLeastRestNs = 500'000'000;
constexpr std::uint64_t kRestUnsuspiciousNs = 3'000'000'000;  // where nothing was found
constexpr std::uint64_t kRestWhileOffNs = 5'000'000'000;
constexpr std::uint64_t kRestAtFirst = 2;   // times what a search took
constexpr std::uint64_t kRestAfterGc = 20;  // likewise, before one that a GC is the reason for, and at least
constexpr std::uint64_t kLeastRestAfterGcNs = 2'000'000'000;
constexpr std::uint64_t kWaitForGcNs = 10'000'000'000;
constexpr std::uint64_t kFewSearches = 10;  // there is time for no more: they had better come after a GC
constexpr std::uint32_t kRareGcs = 2;       // since the last search: where there are more, the next one is soon enough
constexpr std::size_t kMostSuspects = 20'000;  // the largest
constexpr std::size_t kMostWatched = 4096;
constexpr std::size_t kLeastWatched = 8;  // of each array
constexpr std::uint32_t kLongSearches = 5;
constexpr std::size_t kMostGroups = 16;
// Stacks are searched first, and without them nothing can be said: of more goroutines they would take all our time.
constexpr std::uint64_t kMostGoroutines = 200'000;
constexpr std::size_t kMostChains = 8;
constexpr std::uint64_t kListNs = 20'000'000;      // of CPU time, to follow lists; and to look for new ones
constexpr std::uint32_t kListSearchesAtFirst = 2;  // each looks for new lists
constexpr std::uint32_t kListSearchEvery = 4;      // later

// No text has these: ASCII's control characters but white space, and what never is in UTF-8.
bool is_control(std::byte byte) {
  const auto c = static_cast<unsigned char>(byte);
  const bool white = c >= '\t' && c <= '\r';
  return (c < ' ' && !white) || c == 0x7f || c >= 0xf8 || c == 0xc0 || c == 0xc1;
}

struct Holding {  // of a likeness: found out once
  HolderChain chain;
  std::string words;
  LocationId used_at = LocationId::none;
};

class LiveRetentionReader final : public RetentionReader {
 public:
  LiveRetentionReader(const Program& program, Symbolizer& symbolizer, ObjectLookup& objects, RecordSink& sink,
                      double max_cpu)
      : program_(program),
        symbolizer_(symbolizer),
        objects_(objects),
        sink_(sink),
        maps_(program),
        lists_(program, maps_),
        plain_types_(large_plain_types(program, RetentionPass::kLeastObject)),
        share_(kShare * max_cpu),
        most_at_first_ns_(static_cast<std::uint64_t>(kCreditNs * std::min(max_cpu, kMostCpu))),
        most_search_ns_(most_at_first_ns_ / 2) {
    const std::uint64_t now = monotonic_ns();
    begun_ns_ = now;
    next_ns_ = now + kFirstAfterNs;
    send_state(now, objects.available() ? "" : "the heap's layout is not known, or does not fit this process");
    usable_ = objects.available();
  }

  [[nodiscard]] bool due(std::uint64_t now_ns) const override {
    return usable_ && (phase_ != Phase::resting || now_ns >= next_ns_ || collected_since(now_ns));
  }

  Look look(std::uint64_t now_ns) override {
    if (!due(now_ns)) return Look::unavailable;
    const std::uint64_t begin = thread_cpu_ns();
    const Look result = work(now_ns, begin);
    const std::uint64_t took = thread_cpu_ns() - begin;
    search_ns_ += took;
    spent_ns_ += took;
    if (phase_ == Phase::finished) finish(now_ns);
    return result;
  }

 private:
  enum class Phase : std::uint8_t { resting, searching, following, finished };

  // What was allocated lately is known to be kept once a GC has left it: a search after that tells more than one at a
  // fixed time, in a large heap above all, whose GCs are rare.
  [[nodiscard]] bool collected_since(std::uint64_t now_ns) const {
    if (searches_ < 2 || now_ns < next_after_gc_ns_ || spent_ns_ >= most_at_first_ns_) return false;
    const auto generation = objects_.heap_sweepgen();
    if (!generation || !generation_) return false;
    const std::uint32_t gcs = (*generation - *generation_) / 2;  // runtime/mgcsweep.go: a GC adds 2
    return gcs > 0 && gcs <= kRareGcs;
  }

  void send_state(std::uint64_t now_ns, const std::string& reason) {
    const auto status = reason.empty() ? SourceStatus::on : SourceStatus::failed;
    sink_.accept(SourceState{now_ns, "retention", status, reason, ""});
  }

  Look work(std::uint64_t now_ns, std::uint64_t begin) {
    if (phase_ == Phase::resting && !start(now_ns)) {
      return program_.target().alive() ? Look::unavailable : Look::target_gone;
    }
    if (phase_ == Phase::searching && search(begin)) judge();
    if (phase_ == Phase::following) follow(begin);
    return Look::ok;
  }

  bool start(std::uint64_t now_ns) {
    const std::string reason = why_not_now(now_ns);
    if (reason != told_) {
      told_ = reason;
      const auto status = reason.empty() ? SourceStatus::on : SourceStatus::off;
      sink_.accept(SourceState{now_ns, "retention", status, reason, ""});
    }
    search_ns_ = 0;
    generation_ = objects_.heap_sweepgen();
    if (searches_ == 0) first_generation_ = generation_;
    pass_ = !reason.empty() || !generation_ ? nullptr : RetentionPass::begin(program_, maps_, plain_types_, to_watch());
    if (!pass_) {
      next_ns_ = now_ns + (reason.empty() ? kLeastRestNs : kRestWhileOffNs);
      return false;
    }
    phase_ = Phase::searching;
    return true;
  }

  [[nodiscard]] std::string why_not_now(std::uint64_t now_ns) const {
    // Reading is not free for a target that is short of memory: what is swapped out would come back.
    const auto figures = process::read_memory_figures(program_.target(), now_ns);
    if (figures && process::memory_is_short(*figures)) return "the process is short of memory: its heap is not read";
    const auto goroutines = read_allgs(program_, 0, 0);
    if (goroutines && goroutines->length > kMostGoroutines)
      return "more than 200,000 goroutines: to search their stacks would take too long";
    return {};
  }

  // What the arrays found by the last search keep, and the lists that stacks hold.
  [[nodiscard]] std::vector<WatchedObject> to_watch() const {
    std::vector<WatchedObject> watched;
    const auto arrays = static_cast<std::size_t>(
        std::ranges::count_if(suspects_, [](const auto& one) { return one.second.found.stale.has_value(); }));
    const std::size_t each = std::max<std::size_t>(kLeastWatched, kMostWatched / std::max<std::size_t>(arrays, 1));
    for (const auto& [base, suspect] : suspects_) {
      if (!suspect.found.stale || watched.size() >= kMostWatched) continue;
      const auto& sample = suspect.found.stale->sample;  // spread over the array
      const std::size_t step = std::max<std::size_t>(1, sample.size() / each);
      for (std::size_t i = 0; i < sample.size(); i += step)
        watched.push_back({.base = sample[i], .array = base, .array_size = suspect.found.size});
    }
    std::ranges::copy(lists_.to_watch(), std::back_inserter(watched));
    return watched;
  }

  void note_watched() {
    for (const WatchedObject& object : pass_->watched()) {
      if (object.list) continue;
      const auto suspect = suspects_.find(object.array);
      if (suspect == suspects_.end()) continue;
      ++suspect->second.of;
      if (!object.shared) ++suspect->second.exclusive;
    }
  }

  [[nodiscard]] bool slice_is_over(std::uint64_t begin) const { return thread_cpu_ns() - begin >= kSliceNs; }

  // True: this search is at its end.
  bool search(std::uint64_t begin) {
    while (pass_->step(kSliceBytes)) {
      if (search_ns_ + (thread_cpu_ns() - begin) >= most_search_ns_) return true;
      if (slice_is_over(begin)) return false;
    }
    return true;
  }

  void judge() {
    ++searches_;
    std::unordered_map<process::Address, Suspect> now;
    for (PartlyUsed& found : pass_->partly_used(kMostSuspects)) {
      const auto before = suspects_.find(found.base);
      Suspect suspect =
          before != suspects_.end() && found_again(before->second.found, found) ? std::move(before->second) : Suspect{};
      suspect.found = std::move(found);
      suspect.missed = false;
      if (suspect.searches++ == 0) suspect.generation = *generation_;
      const process::Address base = suspect.found.base;
      now.emplace(base, std::move(suspect));
    }
    for (auto& [base, suspect] : suspects_) {
      if (now.contains(base) || !pass_->saw_no_reference(base) || std::exchange(suspect.missed, true)) continue;
      now.emplace(base, std::move(suspect));
    }
    suspects_ = std::move(now);
    for (auto& [base, suspect] : suspects_) suspect.of = suspect.exclusive = 0;
    note_watched();
    for (auto& [base, suspect] : suspects_)
      if (suspect.searches >= 2) look_closer(suspect);
    lists_.note(pass_->watched());
    const bool search_new = searches_ <= kListSearchesAtFirst || searches_ % kListSearchEvery == 0;
    lists_.look(pass_->spans(), objects_, search_new, kListNs);
    begin_following();
  }

  void look_closer(Suspect& suspect) {
    const auto object = objects_.find(suspect.found.base);
    const bool holds =
        object && object->allocated && object->base == suspect.found.base && object->size == suspect.found.size;
    if (!holds) {
      suspect.searches = 0;
      return;
    }
    suspect.marked = object->marked;
    if (object->marked && object->heap_sweepgen != suspect.generation) suspect.survived = true;
    if (std::exchange(suspect.specials_read, true)) return;
    const SpanView* span = pass_->spans().find(suspect.found.base);
    if (span == nullptr) return;
    const auto specials = read_specials(program_, symbolizer_, *span, suspect.found.base);
    suspect.unfit = specials.use == SpecialUse::other || !strings_are_text(suspect.found);
    suspect.allocated_at = specials.allocated_at;
  }

  // A pointer and a number make a string by their look only. Text is what is there, as a rule; a string of other bytes
  // is not reported.
  [[nodiscard]] bool strings_are_text(const PartlyUsed& found) const {
    constexpr std::uint64_t kLooked = 64;  // bytes of each
    for (const HeaderReference& reference : found.references) {
      if (reference.window.slice) continue;
      const auto bytes =
          program_.target().memory().block(reference.pointer, std::min(reference.window.length, kLooked));
      if (!bytes || std::ranges::any_of(*bytes, is_control)) return false;
    }
    return true;
  }

  // Of those kept alike one is followed up to its root.
  void begin_following() {
    std::map<Likeness, std::uint64_t> bytes;
    for (const auto& [base, suspect] : suspects_)
      if (suspect.searches >= 2) bytes[likeness_of(suspect.found)] += suspect.found.size;
    chains_.clear();
    followed_.clear();
    for (const auto& [base, suspect] : suspects_) {
      const Likeness like = likeness_of(suspect.found);
      if (suspect.searches < 2 || holdings_.contains(like) || std::ranges::find(followed_, like) != followed_.end())
        continue;
      if (chains_.size() >= kMostChains) break;
      const HeaderReference& first = suspect.found.references.front();
      HolderChain chain;
      if (first.in_data) {
        chain.holders.push_back({Holder::Kind::variable, first.place, 0, 0});
      } else {
        chain.holders.push_back({Holder::Kind::object, first.container, first.container_size, first.container_type});
      }
      chains_.push_back(std::move(chain));
      followed_.push_back(like);
    }
    follower_.reset();
    phase_ = chains_.empty() ? Phase::finished : Phase::following;
    if (phase_ == Phase::following)
      follower_ = std::make_unique<HolderSearch>(program_, maps_, pass_->spans(), pass_->regions(), chains_);
  }

  void follow(std::uint64_t begin) {
    while (!slice_is_over(begin)) {
      const std::uint64_t spent = thread_cpu_ns() - begin;
      const bool enough = search_ns_ + spent >= most_search_ns_ || spent_ns_ + spent >= most_at_first_ns_;
      if (!enough && follower_->step(kSliceBytes)) continue;
      phase_ = Phase::finished;
      break;
    }
    if (phase_ != Phase::finished) return;
    for (std::size_t i = 0; i < chains_.size(); ++i) {
      Holding holding{std::move(chains_[i]), {}, LocationId::none};
      const auto described = describe_holders(program_, symbolizer_, holding.chain);
      holding.words = described.words;
      holding.used_at = described.used_at;
      holdings_.insert_or_assign(followed_[i], std::move(holding));
    }
  }

  // Elements behind a slice's length may be overwritten any time: only those that lie there for long count. What they
  // keep must be theirs alone, most of it.
  [[nodiscard]] static bool keeps_for_long(const Suspect& suspect, const Likeness& like) {
    if (like.kind != RetentionKind::elements) return suspect.searches >= 2;
    return suspect.searches >= (like.spare ? kLongSearches : 2) && suspect.of > 0 &&
           suspect.exclusive * 4 >= suspect.of * 3;
  }

  [[nodiscard]] bool is_held(const Suspect& suspect, const Likeness& like) const {
    if (suspect.survived || !suspect.marked) return suspect.survived;
    if (like.variable != 0) return true;
    const auto holding = holdings_.find(like);
    return holding != holdings_.end() && holding->second.chain.rooted();
  }

  // CPU time for the searches that are made at once.
  [[nodiscard]] std::uint64_t left_at_first() const {
    return most_at_first_ns_ - std::min(spent_ns_, most_at_first_ns_);
  }

  // What hangs on no package variable is not known to be kept before a GC has left it.
  [[nodiscard]] bool waits_for_gc() const {
    const bool seen_alike = searches_ >= 2 && generation_ && generation_ == first_generation_;
    return seen_alike && left_at_first() < kFewSearches * search_ns_;
  }

  [[nodiscard]] std::uint64_t rest_at_first(std::uint64_t now_ns) const {
    if (waits_for_gc()) return kWaitForGcNs;
    return std::max(kRestAtFirst * search_ns_, rest_between_searches(now_ns - begun_ns_, search_ns_, left_at_first()));
  }

  void finish(std::uint64_t now_ns) {
    if (searches_ >= 2) send(now_ns);
    // A list that the last search found others to lead to is no reason to hurry.
    const bool lists = std::ranges::any_of(lists_.all(), [](const StackList& list) { return list.doubts == 0; });
    const bool suspicious = (!suspects_.empty() || lists) && spent_ns_ < most_at_first_ns_;
    const bool at_first = searches_ < 2 || suspicious;
    // Nothing can be said before the second one.
    next_ns_ = now_ns + std::max(kLeastRestNs, searches_ < 2 ? 0 : rest_at_first(now_ns));
    if (!at_first) {
      const auto in_share = begun_ns_ + static_cast<std::uint64_t>(static_cast<double>(spent_ns_) / share_);
      next_ns_ = std::max({next_ns_, in_share, now_ns + kRestUnsuspiciousNs});
    }
    next_after_gc_ns_ =
        now_ns + (waits_for_gc() ? kLeastRestNs : std::max(kLeastRestAfterGcNs, kRestAfterGc * search_ns_));
    phase_ = Phase::resting;
    follower_.reset();
    pass_.reset();
  }

  using GroupKey = std::tuple<Likeness, StackId>;

  void send(std::uint64_t now_ns) {
    std::map<GroupKey, RetainedGroup> groups;
    for (const auto& [base, suspect] : suspects_) {
      const Likeness like = likeness_of(suspect.found);
      if (suspect.unfit || !keeps_for_long(suspect, like)) continue;
      if (is_held(suspect, like)) add(suspect, like, groups[{like, suspect.allocated_at}]);
    }
    RetentionLook look;
    look.time_ns = now_ns;
    look.searches = searches_;
    const PassFigures figures = pass_->figures();
    look.complete = figures.complete;
    look.heap_bytes = figures.heap_bytes;
    look.to_read_bytes = figures.to_read_bytes;
    look.read_bytes = figures.read_bytes;
    look.objects = figures.candidates;
    look.object_bytes = figures.candidate_bytes;
    look.cpu_ns = spent_ns_;
    look.stacks = lists_.stacks();
    look.stacks_followed = lists_.stacks_followed();
    look.groups = merged(groups);
    if (figures.complete)  // else who refers to them is not known
      for (auto& [key, group] : list_groups()) look.groups.push_back(std::move(group));
    if (look.groups.size() > kMostGroups) look.groups.resize(kMostGroups);
    sink_.accept(look);
  }

  // Lists that are held by the same function, of nodes of one size, whoever's stack it is.
  [[nodiscard]] std::map<std::pair<std::string, std::uint64_t>, RetainedGroup> list_groups() {
    std::map<std::pair<std::string, std::uint64_t>, RetainedGroup> groups;
    std::map<std::pair<std::string, std::uint64_t>, std::uint64_t> longest;
    for (const StackList& one : lists_.all()) {
      if (!StackLists::is_kept(one)) continue;
      const std::uint64_t pc = one.pc == 0 ? 0 : one.pc - program_.load_bias() - (one.pc_is_exact ? 0 : 1);
      const auto frames = program_.functions().frames(pc);
      const std::string holder = frames.empty() ? std::string() : frames.back().function;
      RetainedGroup& group = groups[{holder, one.list.node_size}];
      group.kind = RetentionKind::stack;
      group.holder = holder;
      group.smallest = group.largest = one.list.node_size;
      group.objects += one.list.nodes;
      group.bytes += one.list.nodes * one.list.node_size;
      ++group.references;
      if (group.allocated_at == StackId::none) group.allocated_at = sampled_stack(one.list);
      std::uint64_t& most = longest[{holder, one.list.node_size}];
      if (one.list.nodes <= most) continue;
      most = one.list.nodes;
      group.goid = one.goid;
      group.holder_used_at = one.pc == 0 ? LocationId::none : symbolizer_.location(one.pc, !one.pc_is_exact);
    }
    return groups;
  }

  // Where a node was allocated that the program's own heap profile sampled.
  [[nodiscard]] StackId sampled_stack(const LinkedList& list) {
    for (const process::Address node : list.sample) {
      const SpanView* span = pass_->spans().find(node);
      if (span == nullptr || span->specials == 0) continue;
      const auto specials = read_specials(program_, symbolizer_, *span, node);
      if (specials.allocated_at != StackId::none) return specials.allocated_at;
    }
    return StackId::none;
  }

  void add(const Suspect& suspect, const Likeness& like, RetainedGroup& group) const {
    const PartlyUsed& found = suspect.found;
    if (group.objects == 0) {
      group.kind = like.kind;
      group.spare = like.spare;
      group.allocated_at = suspect.allocated_at;
      group.smallest = found.size;
      if (const auto holding = holdings_.find(like); holding != holdings_.end()) {
        group.holder = holding->second.words;
        group.holder_used_at = holding->second.used_at;
      }
    }
    std::uint64_t bytes = found.size;
    if (found.stale) {
      bytes = found.stale->kept_bytes / suspect.of * suspect.exclusive;
      group.pointers += found.stale->pointers;
      group.unused_pointers += found.stale->unused;
    }
    ++group.objects;
    group.bytes += bytes;
    group.used_bytes += found.used.bytes;
    group.references += found.references.size();
    group.smallest = std::min(group.smallest, found.size);
    group.largest = std::max(group.largest, found.size);
    if (bytes - found.used.bytes <= group.example_bytes - group.example_used) return;
    group.example_bytes = bytes;
    group.example_used = found.used.bytes;
    group.example_references = found.references.size();
  }

  // Not every object was sampled when it was made: those that were stand for those that are kept like them.
  static std::vector<RetainedGroup> merged(const std::map<GroupKey, RetainedGroup>& groups) {
    std::map<Likeness, std::vector<RetainedGroup>> alike;
    for (const auto& [key, group] : groups) alike[std::get<0>(key)].push_back(group);
    std::vector<RetainedGroup> result;
    for (auto& [like, some] : alike) {
      std::ranges::stable_sort(some, std::greater{},
                               [](const auto& g) { return std::pair(g.allocated_at != StackId::none, g.bytes); });
      if (some.size() > 1 && some.back().allocated_at == StackId::none) {
        take_in(some.front(), some.back());
        some.pop_back();
      }
      result.insert(result.end(), some.begin(), some.end());
    }
    std::ranges::stable_sort(result, std::greater{}, [](const auto& g) { return g.bytes - g.used_bytes; });
    if (result.size() > kMostGroups) result.resize(kMostGroups);
    return result;
  }

  static void take_in(RetainedGroup& into, const RetainedGroup& from) {
    into.objects += from.objects;
    into.bytes += from.bytes;
    into.used_bytes += from.used_bytes;
    into.references += from.references;
    into.pointers += from.pointers;
    into.unused_pointers += from.unused_pointers;
    into.smallest = std::min(into.smallest, from.smallest);
    into.largest = std::max(into.largest, from.largest);
  }

  const Program& program_;
  Symbolizer& symbolizer_;
  ObjectLookup& objects_;
  RecordSink& sink_;
  PointerMaps maps_;
  StackLists lists_;
  std::vector<std::uint64_t> plain_types_;
  double share_;                    // of one CPU
  std::uint64_t most_at_first_ns_;  // of CPU time, of the searches that settle a suspicion
  std::uint64_t most_search_ns_;    // of CPU time, of one search
  std::uint64_t begun_ns_ = 0;
  bool usable_ = false;
  std::string told_;  // why it was told that the heap is not searched
  Phase phase_ = Phase::resting;
  std::uint64_t next_ns_ = 0;
  std::uint64_t next_after_gc_ns_ = 0;
  std::uint64_t search_ns_ = 0;  // CPU time, of this search
  std::uint64_t spent_ns_ = 0;   // of all
  std::uint32_t searches_ = 0;
  std::optional<std::uint32_t> generation_, first_generation_;  // the heap's sweepgen, at this search and at the first
  std::unique_ptr<RetentionPass> pass_;
  std::unique_ptr<HolderSearch> follower_;
  std::vector<HolderChain> chains_;
  std::vector<Likeness> followed_;
  std::map<Likeness, Holding> holdings_;
  std::unordered_map<process::Address, Suspect> suspects_;
};

}  // namespace

std::unique_ptr<RetentionReader> make_retention_reader(const Program& program, Symbolizer& symbolizer,
                                                       ObjectLookup& objects, RecordSink& sink, double max_cpu) {
  return std::make_unique<LiveRetentionReader>(program, symbolizer, objects, sink, max_cpu);
}

}  // namespace gotrace::goruntime
