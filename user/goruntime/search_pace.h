// How long the searches for retained memory rest, as long as there is CPU time for them at once: so that the last one
// comes about half a minute after the first. In a large heap they are few, and more can be told from searches that lie
// apart, with collections between them.
#pragma once

#include <cstdint>

namespace gotrace::goruntime {

// `since_first_ns`: since the first one began; `search_ns`: CPU time that one takes; `left_ns`: CPU time for all that
// are still to come. Each rests longer than the one before: those who look for ten seconds see several as well.
[[nodiscard]] std::uint64_t rest_between_searches(std::uint64_t since_first_ns, std::uint64_t search_ns,
                                                  std::uint64_t left_ns);

}  // namespace gotrace::goruntime
