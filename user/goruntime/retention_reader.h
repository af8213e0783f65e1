// Large objects that small strings and slices keep: searched for again and again, and believed when found the same
// twice.
#pragma once

#include <memory>

#include "goruntime/readers.h"

namespace gotrace::goruntime {

// A reader that does a little of its work at each look, and sends a RetentionLook whenever a search is complete, from
// the second on. Takes little of our time: of the share of one CPU that we may take a fifth in the long run (by default
// 1 %). The first searches, and those that settle a suspicion, are made at once, but for no more than what 40 s of that
// share are (2 s of CPU), half of it for one search; what they took counts: the next ones wait until it is made up for.
// Rests while the target is short of memory.
class RetentionReader : public Reader {
 public:
  // Whether there is something to do now; look() else does nothing.
  [[nodiscard]] virtual bool due(std::uint64_t now_ns) const = 0;
};

// Sends the SourceState "retention". `max_cpu`: of one CPU, for all that we do. All others must outlive the reader.
std::unique_ptr<RetentionReader> make_retention_reader(const Program& program, Symbolizer& symbolizer,
                                                       ObjectLookup& objects, RecordSink& sink, double max_cpu);

}  // namespace gotrace::goruntime
