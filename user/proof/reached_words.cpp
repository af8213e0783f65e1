#include "proof/reached_words.h"

#include <fmt/format.h>

#include "goruntime/holder_words.h"

namespace gotrace::proof {
namespace {

constexpr std::size_t kMostSteps = 4;  // objects that are told of

std::string word_for(goruntime::WaitClass wait) {
  if (wait == goruntime::WaitClass::semaphore) return "the lock or wait group";
  if (wait == goruntime::WaitClass::condition) return "the condition";
  return "the channel";
}

std::string word_for(const Origin& origin) {
  switch (origin.kind) {
    case Origin::Kind::timer:
      return "a timer";
    case Origin::Kind::finalizer:
      return "a finalizer, a cleanup or a weak pointer";
    case Origin::Kind::foreign:
      return "memory of C";
    case Origin::Kind::thread:
      return "a thread that runs";
    case Origin::Kind::goroutine:
      return fmt::format("goroutine {}", origin.address);
    case Origin::Kind::variable:
    case Origin::Kind::none:
      break;
  }
  return "a long chain of objects";
}

}  // namespace

ReachedGoroutines describe(const goruntime::Program& program, goruntime::Symbolizer& symbolizer,
                           const ReachedGroup& group) {
  using goruntime::Holder;
  goruntime::HolderChain chain;
  const std::size_t between = group.way.empty() ? 0 : group.way.size() - 1;  // what is waited for is named otherwise
  // Those next to the origin say most.
  for (std::size_t i = between > kMostSteps ? between - kMostSteps : 0; i < between; ++i)
    chain.holders.push_back({Holder::Kind::object, group.way[i + 1].address, group.way[i + 1].size, 0});
  if (group.origin.kind == Origin::Kind::variable)
    chain.holders.push_back({Holder::Kind::variable, group.origin.address, 0, 0});
  const auto words = goruntime::describe_holders(program, symbolizer, chain);
  ReachedGoroutines reached{.goid = group.goid, .goroutines = group.goroutines, .path = words.words};
  reached.used_at = words.used_at;
  if (group.origin.kind != Origin::Kind::variable)
    reached.path = word_for(group.origin) + (words.words.empty() ? "" : " -> ") + words.words;
  if (between > kMostSteps) reached.path += fmt::format(" -> {} more objects", between - kMostSteps);
  reached.path += " -> " + word_for(group.wait);
  return reached;
}

}  // namespace gotrace::proof
