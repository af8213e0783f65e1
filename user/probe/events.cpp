#include "probe/events.h"

#include <cstddef>

namespace gotrace::probe {
namespace {

static_assert(sizeof(gotrace_event) == 32);
static_assert(sizeof(gotrace_birth) == 40);
static_assert(sizeof(gotrace_park) == 40);
static_assert(sizeof(gotrace_allocation) == 40);
static_assert(sizeof(gotrace_large) == 40 + GOTRACE_SPAN_BYTES);
static_assert(sizeof(gotrace_refill) == 56 + GOTRACE_SPAN_BYTES + GOTRACE_BITS_BYTES);
static_assert(sizeof(gotrace_stack) == 24 + 8 * GOTRACE_MAX_FRAMES);
static_assert(offsetof(gotrace_stack, pc) == 24);

template <typename T, typename As = T>
std::optional<Event> whole(Bytes record) {
  if (record.size() != sizeof(T)) return std::nullopt;
  const auto value = load<As>(record, 0);
  if (!value) return std::nullopt;
  return *value;
}

std::optional<Event> stack(Bytes record) {
  auto event = whole<gotrace_stack>(record);
  if (!event || std::get<gotrace_stack>(*event).count > GOTRACE_MAX_FRAMES) return std::nullopt;
  return event;
}

}  // namespace

std::optional<Event> decode_event(Bytes record) {
  const auto kind = load<std::uint32_t>(record, 0);
  const auto size = load<std::uint32_t>(record, sizeof(std::uint32_t));
  if (!kind || !size || *size != record.size()) return std::nullopt;
  switch (*kind) {
    case GOTRACE_EVENT_STACK:
      return stack(record);
    case GOTRACE_BIRTHS:
      return whole<gotrace_birth>(record);
    case GOTRACE_ENDS:
      return whole<gotrace_event, EndEvent>(record);
    case GOTRACE_PARKS:
      return whole<gotrace_park>(record);
    case GOTRACE_REFILL:
      return whole<gotrace_refill>(record);
    case GOTRACE_LARGE:
      return record.size() == sizeof(gotrace_large) ? whole<gotrace_large>(record) : whole<gotrace_allocation>(record);
    case GOTRACE_MALLOC:
      return whole<gotrace_allocation>(record);
    default:
      return std::nullopt;
  }
}

}  // namespace gotrace::probe
