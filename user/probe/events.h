// Records of the ring buffer, checked and copied out of it.
#pragma once

#include <optional>
#include <variant>

#include "base/byte_reader.h"
#include "gotrace/probe_events.h"

namespace gotrace::probe {

struct EndEvent {
  gotrace_event event{};
};
using Event = std::variant<gotrace_stack, gotrace_birth, EndEvent, gotrace_park, gotrace_refill, gotrace_large,
                           gotrace_allocation>;

// nullopt: unknown kind, or its size does not fit its kind.
[[nodiscard]] std::optional<Event> decode_event(Bytes record);

}  // namespace gotrace::probe
