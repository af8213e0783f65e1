// Large objects that small strings and slices keep: searched for again and again, and believed when found the same
// twice.
#pragma once

#include <memory>

#include "goruntime/readers.h"

namespace gotrace::goruntime {

// A reader that does a little of its work at each look, and sends a RetentionLook whenever a search is complete, from
// the second on. Takes little of our time: 1 s of CPU for a search at most, 2 s for those that settle a first
// suspicion, and 1 % of one CPU from then on. Rests while the target is short of memory.
class RetentionReader : public Reader {
 public:
  // Whether there is something to do now; look() else does nothing.
  [[nodiscard]] virtual bool due(std::uint64_t now_ns) const = 0;
};

// Sends the SourceState "retention". All arguments must outlive the reader.
std::unique_ptr<RetentionReader> make_retention_reader(const Program& program, Symbolizer& symbolizer,
                                                       ObjectLookup& objects, RecordSink& sink);

}  // namespace gotrace::goruntime
