// Analysis: everything that the detectors conclude from a model, as plain values. Reports print it and decide nothing.
//
// std::nullopt means "not known" (JSON null); the reason is then in `not_checked` or in a source's reason. An empty
// vector means "known to be none". Rates are per second.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "records/record.h"

namespace gotrace::detect {

enum class Trend : std::uint8_t { unknown, growing, plateaued, flat, shrinking };    // a fact, measured
enum class Verdict : std::uint8_t { unknown, healthy, suspected, leaking, proved };  // a judgement, in order of weight
enum class Confidence : std::uint8_t { low, medium, high };

struct Rate {
  double value = 0;
  double low = 0;  // 95 % interval
  double high = 0;
};

// All goroutines of one `go` statement.
struct CreationSite {
  std::string id;
  std::optional<Frame> where;  // the go statement (innermost frame at gopc); nullopt: main or unknown
  std::uint64_t count = 0;     // alive at the last look
  std::optional<Rate> growth;
  std::optional<Rate> births;  // per second; an interval where they were watched in windows only
  std::optional<Rate> ends;
  Trend trend = Trend::unknown;
  Verdict verdict = Verdict::unknown;
};

// Goroutines of one creation site, blocked at one stack for one reason.
struct GoroutineGroup {
  std::string id;
  std::string creation_site_id;
  std::uint64_t count = 0;
  std::optional<Frame> created_by;
  std::optional<Frame> start;
  std::optional<Frame> blocked_at;  // the first frame that is not the runtime's
  std::vector<Frame> stack;         // innermost first, inlined frames expanded
  std::string wait_reason;          // "chan send"; the status where it does not wait: "running"
  std::optional<double> oldest_seconds_at_least;
  std::optional<double> newest_seconds_at_least;
  std::uint64_t not_yet_seen_by_gc = 0;  // of whom no age is known
  std::uint64_t stack_bytes = 0;
  std::optional<double> growth_per_second;
  Verdict verdict = Verdict::unknown;
  std::string normal_because;        // why waiting here is normal; empty: no rule says so
  std::vector<std::uint64_t> goids;  // at most 20
};

struct CallSite {
  std::string id;
  std::vector<Frame> stack;  // innermost first, without the runtime's allocation frames
  std::optional<std::uint64_t> live_bytes;
  std::optional<std::uint64_t> live_objects;
  std::optional<std::uint64_t> alloc_bytes;
  std::optional<std::uint64_t> alloc_objects;
  std::optional<Rate> growth_bytes;
  Trend trend = Trend::unknown;
  Verdict verdict = Verdict::unknown;
};

struct Evidence {
  std::string code;  // stable: "growth-steady", "none-ended", "no-receiver", ...
  std::string text;  // one sentence in plain words
};

struct Finding {
  std::string id;        // "gl-7c19e2d4"
  std::string exact_id;  // with file, line and build
  std::string kind;      // DETECTION section 4
  Verdict verdict = Verdict::suspected;
  Trend trend = Trend::unknown;
  std::string title;  // one line without numbers that change: "goroutines stuck in chan send"
  std::optional<Frame> where;
  std::optional<Frame> created_by;
  std::optional<Frame> blocked_at;
  std::vector<Frame> stack;  // of the group or the allocation; not in the JSON finding, printed by `explain`
  std::string wait_reason;
  std::optional<std::uint64_t> count;  // goroutines, or objects
  std::optional<std::uint64_t> bytes;
  std::optional<Rate> growth;  // goroutines or bytes per second: see growth_unit
  std::string growth_unit;     // "goroutines" | "bytes"
  Confidence confidence = Confidence::medium;
  std::optional<double> since_seconds_at_least;  // oldest member
  std::vector<Evidence> evidence;
  std::string advice;     // what to change
  std::string look_at;    // what to look at when it is not the code's line that is known; may be empty
  std::string not_known;  // what would settle a suspicion; may be empty
  std::vector<std::string> group_ids;
  std::vector<std::string> site_ids;
};

struct NotChecked {
  std::string check;  // goroutine-growth, goroutine-stuck, heap-growth, call-site-growth, retention, outside-heap
  std::string reason;
  std::string fix;
};
enum class SummaryVerdict : std::uint8_t { insufficient_data, none_seen, suspected, leak };
struct Summary {
  SummaryVerdict verdict = SummaryVerdict::insufficient_data;
  std::vector<std::string> checked;
  std::vector<NotChecked> not_checked;
  std::optional<double> floor_goroutines_per_second;  // the slowest leak that this look would have shown
  std::optional<double> floor_heap_bytes_per_second;
};

struct LimitForecast {
  LimitKind kind = LimitKind::cgroup;
  std::string path;
  std::uint64_t bytes = 0;
  std::uint64_t used_bytes = 0;
  std::optional<double> growth_bytes_per_second;
  std::optional<double> seconds_low;   // until it is reached; nullopt: not in sight
  std::optional<double> seconds_high;  // nullopt with a low value: perhaps never
};
struct Memory {
  std::optional<MemoryFigures> last;               // nullopt: never read
  std::map<std::string, std::uint64_t> rss_parts;  // adds up to rss_bytes; names: heap_live, heap_garbage_or_idle,
                                                   // stacks, runtime, files, shared_memory, other
  std::optional<double> mem_percent;
  std::optional<std::uint64_t> heap_live_bytes;
  std::optional<std::uint64_t> heap_goal_bytes;
  std::optional<double> gc_cpu_fraction;
  std::optional<std::uint64_t> stacks_bytes;
  std::vector<std::uint64_t> heap_after_gc_bytes;  // a few, over the window, oldest first
  std::optional<double> allocated_at_most;         // bytes per second, by all; known where no GC tells what stays of it
  std::optional<Rate> heap_growth;
  Trend heap_trend = Trend::unknown;
  std::optional<std::uint64_t> outside_heap_bytes;
  std::optional<Rate> outside_heap_growth;
  Trend outside_heap_trend = Trend::unknown;
  std::vector<LimitForecast> limits;  // soonest first
};

struct ProbeSummary {
  ProbeState state;  // the last one sent
  double attached_seconds = 0;
  double window_seconds = 0;
};

struct Window {
  std::int64_t start_wall_ns = 0;
  double seconds = 0;
  bool complete = false;                   // an end record was seen
  std::optional<EndReason> end;            // nullopt: the recorder was killed
  std::optional<std::uint32_t> gc_cycles;  // during the window
};

struct UnjudgedBursts {
  std::uint64_t bursts = 0, goroutines = 0;
  std::optional<Frame> where;  // the go statement
};

struct Goroutines {
  std::optional<std::uint64_t> total;
  std::vector<std::uint64_t> totals;  // some, over the window, oldest first
  std::map<std::string, std::uint64_t> by_status;
  std::vector<CreationSite> sites;     // largest first
  std::vector<GoroutineGroup> groups;  // findings' groups first, then largest first
  std::uint64_t stuck = 0;             // parked at least stuck-after
  std::uint64_t stuck_places = 0;
  Trend trend = Trend::unknown;  // of the total
  // Of the site that grew most without a verdict: how many came and stayed in too few bursts to judge.
  std::optional<UnjudgedBursts> unjudged_bursts;
};

struct Snapshots {
  std::uint64_t looks = 0;
  std::uint64_t last_read_ns = 0;
  std::uint64_t max_read_ns = 0;
};
struct HeapProfileSummary {
  std::uint64_t looks = 0;
  std::uint64_t rate = 0;
  std::uint64_t buckets = 0;
};

// Goroutines that wait where only another one can end it, and why they may be woken.
struct ReachedGoroutineGroup {
  std::uint64_t count = 0;
  std::optional<Frame> created_by;
  std::optional<Frame> blocked_at;
  std::string wait_reason;
  std::string path;              // from what can still run to what one of them waits for, in words
  std::optional<Frame> used_at;  // code that uses the package variable that the path begins at
};

// Who holds the heap, from a proof's copy of the memory.
struct HeapHolder {
  RetainerKind kind = RetainerKind::variable;
  std::string name;              // in words; goroutines: empty
  std::optional<Frame> used_at;  // code that uses the package variable
  std::optional<Frame> created_by;
  std::optional<Frame> held_at;  // goroutines: the frame that holds most
  bool proved = false;
  std::uint64_t goroutines = 0;
  std::uint64_t goid = 0;
  std::uint64_t instances = 0;
  std::uint64_t bytes = 0;
  std::uint64_t objects = 0;
  std::string path;
};
struct HeldType {
  std::string name;
  std::uint64_t object_bytes = 0;
  std::uint64_t instances = 0;
  std::uint64_t bytes = 0;
  std::uint64_t objects = 0;
  std::string path;
  std::optional<Frame> used_at;
};
struct HeapHolders {
  std::string off;  // why it is not known; empty: the rest is the answer
  std::uint64_t took_ns = 0;
  std::uint64_t bytes = 0;
  std::uint64_t objects = 0;
  std::uint64_t references = 0;
  std::vector<HeapHolder> holders;  // largest first
  std::vector<HeldType> types;      // largest first
  std::string asked;                // an address or a type, as it was given; empty: none
  std::string why_not;              // no way is told, because
  std::vector<HeldType> ways;       // largest first, each of one object
};

// How much of the target's memory the last search for retained memory has looked at.
struct RetentionSummary {
  std::uint64_t searches = 0;
  std::uint64_t read_bytes = 0;
  std::uint64_t to_read_bytes = 0;    // that may hold pointers
  std::uint64_t stacks = 0;           // goroutines, and of these
  std::uint64_t stacks_followed = 0;  // those whose stacks were searched for lists
  std::uint64_t cpu_ns = 0;           // of ours, for all searches
};

struct Analysis {
  SessionStart session;
  std::optional<SessionEnd> end;
  std::optional<TargetInfo> target;
  Summary summary;
  Window window;
  std::vector<SourceState> sources;  // the last state of each
  Snapshots snapshots;
  HeapProfileSummary heap_profile;
  std::optional<RetentionSummary> retention;  // nullopt: no two searches were made
  std::vector<ProbeSummary> probes;
  std::vector<Gap> gaps;
  std::optional<Overhead> overhead;
  std::vector<TargetWrite> writes;
  std::map<std::string, std::uint64_t> loss;  // last count of each cause
  Memory memory;
  Goroutines goroutines;
  std::vector<CallSite> call_sites;            // growing first, then by live bytes
  std::vector<Finding> findings;               // worst first
  std::optional<Proof> proof;                  // nullopt: none was tried
  std::vector<ReachedGoroutineGroup> reached;  // of the proof: what it could not prove; largest first
  std::optional<HeapHolders> holders;          // nullopt: not looked for
  // Set when a replay judged with another --stuck-after than the one recorded (session.stuck_after_ns is then the new).
  std::optional<std::uint64_t> recorded_stuck_after_ns;
};

// Words of the JSON contract.
[[nodiscard]] const char* to_string(Trend trend);
[[nodiscard]] const char* to_string(Verdict verdict);
[[nodiscard]] const char* to_string(Confidence confidence);
[[nodiscard]] const char* to_string(SummaryVerdict verdict);
[[nodiscard]] const char* to_string(EndReason reason);
[[nodiscard]] const char* to_string(LimitKind kind);
[[nodiscard]] const char* to_string(GoStatus status);
[[nodiscard]] const char* to_string(ProbeStatus status);
[[nodiscard]] const char* to_string(SourceStatus status);

}  // namespace gotrace::detect
