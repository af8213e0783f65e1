#include "goruntime/wait_objects.h"

#include <algorithm>
#include <array>

namespace gotrace::goruntime {
namespace {

constexpr std::uint32_t kMostCases = 4096;  // of one select that are counted
constexpr std::size_t kMostCandidates = 48;

// Go 1.26 and later keep sudog.elem and sudog.c as {vp, vu}, vu at +8 being the one that always holds the address
// (runtime/runtime2.go, maybeTraceablePtr).
std::uint32_t address_offset(const Field& field) { return field.offset + (field.size == 16 ? 8 : 0); }

bool is_channel_wait(WaitClass wait) {
  return wait == WaitClass::receive || wait == WaitClass::send || wait == WaitClass::select;
}

}  // namespace

WaitClass classify_wait(std::string_view reason) {
  struct Rule {
    std::string_view prefix;
    WaitClass wait;
  };
  // "chan receive", "chan receive (synctest)", "chan receive (durable)" are one: prefixes, the special ones first.
  static constexpr std::array<Rule, 12> kRules{{{"chan receive (nil chan)", WaitClass::nil_channel},
                                                {"chan send (nil chan)", WaitClass::nil_channel},
                                                {"select (no cases)", WaitClass::nil_channel},
                                                {"chan receive", WaitClass::receive},
                                                {"chan send", WaitClass::send},
                                                {"select", WaitClass::select},
                                                {"semacquire", WaitClass::semaphore},
                                                {"sync.Mutex", WaitClass::semaphore},
                                                {"sync.RWMutex", WaitClass::semaphore},
                                                {"sync.WaitGroup", WaitClass::semaphore},
                                                {"sync.Cond", WaitClass::condition},
                                                {"coroutine", WaitClass::coroutine}}};
  const auto* rule = std::ranges::find_if(kRules, [reason](const Rule& r) { return reason.starts_with(r.prefix); });
  return rule == kRules.end() ? WaitClass::none : rule->wait;
}

WaitObjects::WaitObjects(const Program& program)
    : program_(program), layout_(program.layout()), memory_(program.target().memory()) {
  if (!why_unusable().empty()) return;
  element_offset_ = address_offset(layout_.sudog.elem);
  channel_offset_ = address_offset(layout_.sudog.c);
  for (const DataRange& range : program.data_ranges()) {
    data_.push_back({range.begin + program.load_bias(), range.end + program.load_bias()});
  }
}

std::string WaitObjects::why_unusable() const {
  const auto& sudog = layout_.sudog;
  const auto& channel = layout_.hchan;
  if (!layout_.g.waiting.present()) return "the field runtime.g.waiting is not known for this Go version";
  for (const Field* field : {&sudog.g, &sudog.waitlink, &sudog.c, &sudog.elem}) {
    if (!field->present()) return "the layout of runtime.sudog is not known for this Go version";
  }
  for (const Field* field :
       {&channel.qcount, &channel.dataqsiz, &channel.closed, &channel.recvq_first, &channel.sendq_first}) {
    if (!field->present()) return "the layout of runtime.hchan is not known for this Go version";
  }
  return {};
}

void WaitObjects::read(Queries queries) {
  for (WaitQuery* query : queries) {
    query->forget();
    if (query->wait == WaitClass::nil_channel) {
      query->objects.push_back({.kind = WaitKind::nil_channel});
      query->count = 1;
    }
  }
  walk_channels(queries);
  find_semaphores(queries);
  describe_channels(queries);
}

void WaitObjects::walk_channels(Queries queries) {
  std::vector<Link> links;
  for (std::uint32_t i = 0; i < queries.size(); ++i) {
    const WaitQuery& query = *queries[i];
    const bool by_list =
        is_channel_wait(query.wait) || query.wait == WaitClass::semaphore || query.wait == WaitClass::condition;
    if (by_list && query.waiting != 0) links.push_back({i, query.waiting});
    if (!is_channel_wait(query.wait) || query.waiting != 0) continue;
    // A select on nil channels only has no list (runtime/select.go); chansend and chanrecv set it before they park.
    if (query.wait == WaitClass::select) {
      queries[i]->objects.push_back({.kind = WaitKind::nil_channel});
      queries[i]->count = 1;
    } else {
      queries[i]->torn = true;
    }
  }
  for (std::uint32_t depth = 0; depth < kMostCases && !links.empty(); ++depth) links = follow(queries, links, depth);
}

// Reads one sudog of each of `links`; returns the next ones.
std::vector<WaitObjects::Link> WaitObjects::follow(Queries queries, const std::vector<Link>& links,
                                                   std::uint32_t depth) {
  std::vector<process::Address> addresses;
  addresses.reserve(links.size());
  for (const Link& link : links) addresses.push_back(link.sudog);
  std::vector<bool> seen(links.size());
  std::vector<Link> next;
  run_read_plan(memory_, make_read_plan(std::move(addresses), layout_.sudog.size), buffer_,
                [&](std::uint32_t index, Bytes sudog) {
                  WaitQuery& query = *queries[links[index].query];
                  if (load_or_zero<std::uint64_t>(sudog, layout_.sudog.g.offset) != query.g) return;
                  seen[index] = true;
                  const bool channel = is_channel_wait(query.wait);
                  const auto kind = query.wait == WaitClass::condition ? WaitKind::condition
                                    : channel                          ? WaitKind::channel
                                                                       : WaitKind::semaphore;
                  const auto address = load_or_zero<std::uint64_t>(sudog, channel ? channel_offset_ : element_offset_);
                  ++query.count;
                  query.objects.push_back({.kind = kind, .address = address});
                  const auto link = load_or_zero<std::uint64_t>(sudog, layout_.sudog.waitlink.offset);
                  // Only a select waits on several; waitlink of a semaphore's sudog leads to other goroutines.
                  if (query.wait == WaitClass::select && link != 0 && depth + 1 < kMostCases) {
                    next.push_back({links[index].query, link});
                  }
                });
  for (std::size_t i = 0; i < links.size(); ++i) {
    if (!seen[i]) queries[links[i].query]->torn = true;
  }
  return next;
}

void WaitObjects::describe_channels(Queries queries) {
  struct Place {
    std::uint32_t query;
    std::uint32_t object;
  };
  std::vector<Place> places;
  std::vector<process::Address> addresses;
  for (std::uint32_t i = 0; i < queries.size(); ++i) {
    for (std::uint32_t j = 0; j < queries[i]->objects.size(); ++j) {
      if (queries[i]->objects[j].kind != WaitKind::channel) continue;
      places.push_back({i, j});
      addresses.push_back(queries[i]->objects[j].address);
    }
  }
  if (places.empty()) return;
  if (!layout_.hchan.timer.present() && !timers_known_) read_timer_channels();
  std::vector<bool> seen(places.size());
  run_read_plan(memory_, make_read_plan(std::move(addresses), layout_.hchan.size), buffer_,
                [&](std::uint32_t index, Bytes channel) {
                  WaitQuery& query = *queries[places[index].query];
                  seen[index] = true;
                  describe(query.objects[places[index].object], query.wait, channel);
                });
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (!seen[i]) queries[places[i].query]->torn = true;
  }
}

void WaitObjects::describe(WaitObject& object, WaitClass wait, Bytes channel) const {
  const auto& layout = layout_.hchan;
  object.length = load_or_zero<std::uint64_t>(channel, layout.qcount.offset);
  object.capacity = load_or_zero<std::uint64_t>(channel, layout.dataqsiz.offset);
  object.closed = load_or_zero<std::uint32_t>(channel, layout.closed.offset) != 0;
  object.timer = layout.timer.present() ? load_or_zero<std::uint64_t>(channel, layout.timer.offset) != 0
                                        : timer_channels_.contains(object.address);
  if (wait == WaitClass::receive) object.direction = WaitDirection::receive;
  if (wait == WaitClass::send) object.direction = WaitDirection::send;
  if (wait != WaitClass::select) return;
  // A select's sudog is in one of the queues; both have waiters only when a select has both directions of a channel.
  const bool receivers = load_or_zero<std::uint64_t>(channel, layout.recvq_first.offset) != 0;
  const bool senders = load_or_zero<std::uint64_t>(channel, layout.sendq_first.offset) != 0;
  if (receivers != senders) object.direction = receivers ? WaitDirection::receive : WaitDirection::send;
}

bool WaitObjects::may_be_sudog(const WaitQuery& query, std::uint64_t word) const {
  constexpr std::uint64_t kLowest = 1ULL << 16;
  constexpr std::uint64_t kHighest = 1ULL << 47;
  if (word % 8 != 0 || word < kLowest || word >= kHighest) return false;
  if (word >= query.stack_begin && word < query.stack_end) return false;
  return std::ranges::none_of(data_, [word](const DataRange& r) { return word >= r.begin && word < r.end; });
}

// The stack's first bytes are the frames of gopark, goparkunlock, semacquire1 and their caller. semacquire1 keeps its
// sudog in a local variable only (runtime/sema.go); it is on the stack, since no register survives a park. A stale one
// is told by sudog.elem, which a release sets to nil.
void WaitObjects::find_semaphores(Queries queries) {
  std::vector<std::uint32_t> owners;
  std::vector<process::Address> addresses;
  for (std::uint32_t i = 0; i < queries.size(); ++i) {
    WaitQuery& query = *queries[i];
    const bool semaphore = query.wait == WaitClass::semaphore;
    if ((!semaphore && query.wait != WaitClass::condition) || query.count != 0) continue;
    query.count = 1;
    query.objects.push_back({.kind = semaphore ? WaitKind::semaphore : WaitKind::condition});
    if (!semaphore) continue;  // a condition's sudog does not lead to the sync.Cond
    std::size_t candidates = 0;
    const std::size_t bytes = std::min(query.stack.size(), kSemaphoreStackBytes);
    for (std::size_t at = 0; at + 8 <= bytes && candidates < kMostCandidates; at += 8) {
      const auto word = load_or_zero<std::uint64_t>(query.stack, at);
      if (!may_be_sudog(query, word)) continue;
      owners.push_back(i);
      addresses.push_back(word);
      ++candidates;
    }
  }
  if (owners.empty()) return;
  run_read_plan(memory_, make_read_plan(std::move(addresses), layout_.sudog.size), buffer_,
                [&](std::uint32_t index, Bytes sudog) {
                  WaitQuery& query = *queries[owners[index]];
                  if (load_or_zero<std::uint64_t>(sudog, layout_.sudog.g.offset) != query.g) return;
                  if (load_or_zero<std::uint64_t>(sudog, channel_offset_) != 0) return;
                  const auto address = load_or_zero<std::uint64_t>(sudog, element_offset_);
                  if (address != 0) query.objects[0].address = address;
                });
}

}  // namespace gotrace::goruntime
