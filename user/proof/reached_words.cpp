#include "proof/reached_words.h"

namespace gotrace::proof {
namespace {

std::string word_for(goruntime::WaitClass wait) {
  if (wait == goruntime::WaitClass::semaphore) return "the lock or wait group";
  if (wait == goruntime::WaitClass::condition) return "the condition";
  if (wait == goruntime::WaitClass::coroutine) return "the iterator";
  return "the channel";
}

}  // namespace

ReachedGoroutines describe(WayWords& words, const ReachedGroup& group) {
  auto way = words.way(group.way, word_for(group.wait));
  return {.goid = group.goid, .goroutines = group.goroutines, .path = std::move(way.words), .used_at = way.used_at};
}

}  // namespace gotrace::proof
