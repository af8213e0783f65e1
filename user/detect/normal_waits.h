// Normal waits: where goroutines park for long in healthy programs, as data. A rule never exempts a creation site from
// growth; it only clears "stuck" and tells the reader why a wait is no cause for worry.
#pragma once

#include <string_view>
#include <vector>

#include "records/record.h"

namespace gotrace::detect {

// Why waiting for `wait_reason` in `stack` (innermost first) is normal; empty when no rule says so.
[[nodiscard]] std::string_view normal_because(const std::vector<Frame>& stack, std::string_view wait_reason,
                                              bool system);

// Can only another goroutine end this wait? (Not I/O, not a timer, not the runtime.)
[[nodiscard]] bool ended_by_goroutine_only(std::string_view wait_reason);

}  // namespace gotrace::detect
