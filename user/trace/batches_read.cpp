#include <array>
#include <concepts>
#include <limits>

#include "trace/batches.h"
#include "trace/enums.h"
#include "trace/format.h"

namespace gotrace::trace {
namespace {

// The columns of a batch message, by field number; columns that this version does not know are counted.
template <std::size_t N>
class Columns {
 public:
  Columns(protozero::pbf_reader message, Delivery& out) {
    while (message.next()) {
      const std::uint32_t tag = message.tag();
      if (tag <= N && message.wire_type() == protozero::pbf_wire_type::length_delimited) {
        columns_[tag - 1] = ColumnReader(message.get_view());
      } else {
        message.skip();
        out.count_unknown_fields(1);
      }
    }
  }
  template <std::size_t Tag>
  [[nodiscard]] ColumnReader& get() {
    static_assert(Tag >= 1 && Tag <= N);
    return columns_[Tag - 1];
  }

 private:
  std::array<ColumnReader, N> columns_;
};

// Takes values out of columns and remembers whether all of them could be what they were to become.
class Checked {
 public:
  template <std::unsigned_integral T>
  void to(T& target, std::uint64_t value) {
    valid_ = valid_ && value <= std::numeric_limits<T>::max();
    target = static_cast<T>(value);
  }
  template <Id T>
  void to(T& target, std::uint64_t value) {
    std::uint32_t id = 0;
    to(id, value);
    target = static_cast<T>(id);
  }
  template <Enum T>
  void to(T& target, std::uint64_t value) {
    const auto known = to_enum<T>(value);
    valid_ = valid_ && known.has_value();
    target = known.value_or(T{});
  }
  [[nodiscard]] bool valid() const { return valid_; }

 private:
  bool valid_ = true;
};

using EventColumns = Columns<11>;

// What a Birth, a Park, ... takes beyond its time and goroutine.
void read_rest(Birth& event, EventColumns& columns, Checked& checked, IdTable& ids) {
  checked.to(event.start, columns.get<5>().get());
  checked.to(event.stack, columns.get<6>().get());
  ids.repair(event.start);
  ids.repair(event.stack);
}

void read_rest(Park& event, EventColumns& columns, Checked& checked, IdTable&) {
  checked.to(event.wait_reason, columns.get<4>().get());
}

void read_rest(End&, EventColumns&, Checked&, IdTable&) {}

void read_rest(AllocationSample& event, EventColumns& columns, Checked& checked, IdTable& ids) {
  checked.to(event.stack, columns.get<6>().get());
  ids.repair(event.stack);
  event.id = columns.get<7>().get_delta();
  checked.to(event.size_class, columns.get<8>().get());
  event.size = columns.get<9>().get();
  event.objects = columns.get<10>().get();
  event.tracked = columns.get<11>().get() != 0;
}

void set_goid(Birth& event, std::uint64_t goid) { event.creator_goid = goid; }
void set_goid(auto& event, std::uint64_t goid) { event.goid = goid; }

// Decodes into one Record that is used again and again: no event costs an allocation.
template <typename E>
class EventSlot {
 public:
  void read(std::uint64_t time_ns, std::uint64_t goid, EventColumns& columns, Delivery& out) {
    E& event = std::get<E>(record_);
    Checked checked;
    event.time_ns = time_ns;
    set_goid(event, goid);
    read_rest(event, columns, checked, out.ids());
    if (checked.valid()) out.deliver(record_, time_ns);
  }

 private:
  Record record_ = E{};
};

using GoroutineColumns = Columns<18>;

void read_wait_object(WaitObject& object, GoroutineColumns& columns, Checked& checked) {
  checked.to(object.kind, columns.get<13>().get());
  checked.to(object.direction, columns.get<14>().get());
  const std::uint64_t flags = columns.get<15>().get();
  object.timer = (flags & 1) != 0;
  object.closed = (flags & 2) != 0;
  object.address = columns.get<16>().get_delta();
  object.length = columns.get<17>().get();
  object.capacity = columns.get<18>().get();
}

void read_goroutine(GoroutineState& state, GoroutineColumns& columns, Checked& checked, IdTable& ids) {
  state.goid = columns.get<1>().get_delta();
  state.parent_goid = columns.get<2>().get_delta();
  checked.to(state.status, columns.get<3>().get());
  checked.to(state.wait_reason, columns.get<4>().get());
  const std::uint64_t flags = columns.get<5>().get();
  state.ran = (flags & 1) != 0;
  state.stack_torn = (flags & 2) != 0;
  state.system = (flags & 4) != 0;
  state.wait_since_ns = columns.get<6>().get_delta();
  state.stack_bytes = columns.get<7>().get();
  checked.to(state.created_at, columns.get<8>().get());
  checked.to(state.start, columns.get<9>().get());
  checked.to(state.stack, columns.get<10>().get());
  ids.repair(state.created_at);
  ids.repair(state.start);
  ids.repair(state.stack);
  checked.to(state.wait_object_count, columns.get<11>().get());
}

}  // namespace

void read_event_batch(protozero::pbf_reader message, Delivery& out) {
  EventColumns columns(message, out);
  EventSlot<Birth> birth;
  EventSlot<Park> park;
  EventSlot<End> end;
  EventSlot<AllocationSample> allocation;
  std::array<std::uint64_t, kEventKinds> previous_goid{};
  std::uint64_t previous_unknown = 0;
  while (!columns.get<1>().empty()) {
    const std::uint64_t kind = columns.get<1>().get();
    const std::uint64_t time_ns = columns.get<2>().get_delta();
    const bool known = kind < kEventKinds;
    const std::uint64_t goid = columns.get<3>().get_difference(known ? previous_goid[kind] : previous_unknown);
    if (!known) continue;  // a kind of a newer minor version: takes a time and a goroutine, and else only new columns
    switch (static_cast<EventKind>(kind)) {
      case EventKind::birth:
        birth.read(time_ns, goid, columns, out);
        break;
      case EventKind::park:
        park.read(time_ns, goid, columns, out);
        break;
      case EventKind::end:
        end.read(time_ns, goid, columns, out);
        break;
      case EventKind::allocation:
        allocation.read(time_ns, goid, columns, out);
        break;
    }
  }
}

void read_goroutine_batch(protozero::pbf_reader message, Delivery& out) {
  GoroutineColumns columns(message, out);
  Record record = GoroutineState{};
  auto& state = std::get<GoroutineState>(record);
  while (!columns.get<1>().empty()) {
    Checked checked;
    read_goroutine(state, columns, checked, out.ids());
    const std::uint64_t listed = columns.get<12>().get();
    // More than any writer lists: the object columns can't be trusted from here on.
    if (listed > kMaxWaitObjects) return;
    state.wait_objects.resize(static_cast<std::size_t>(listed));
    for (WaitObject& object : state.wait_objects) read_wait_object(object, columns, checked);
    if (checked.valid()) out.deliver(record, std::nullopt);
  }
}

}  // namespace gotrace::trace
