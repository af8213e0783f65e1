#include <algorithm>

#include "trace/batches.h"
#include "trace/format.h"

namespace gotrace::trace {
namespace {

template <typename T>
std::uint64_t number(T value) {
  return static_cast<std::uint64_t>(value);
}

std::size_t total(std::initializer_list<const ColumnWriter*> columns) {
  std::size_t bytes = 0;
  for (const ColumnWriter* column : columns) bytes += column->size();
  return bytes;
}

// Field numbers follow the order of the columns, from 1.
void move_all(std::initializer_list<ColumnWriter*> columns, protozero::pbf_writer& message) {
  std::uint32_t tag = 1;
  for (ColumnWriter* column : columns) column->move_into(message, tag++);
}

}  // namespace

void EventBatchWriter::add_common(EventKind kind, std::uint64_t time_ns, std::uint64_t goid) {
  kind_.put(number(kind));
  time_.put_delta(time_ns);
  goid_.put_difference(goid, previous_goid_[number(kind)]);
}

void EventBatchWriter::add(const Birth& event) {
  add_common(EventKind::birth, event.time_ns, event.creator_goid);
  start_.put(number(event.start));
  stack_.put(number(event.stack));
}

void EventBatchWriter::add(const Park& event) {
  add_common(EventKind::park, event.time_ns, event.goid);
  wait_reason_.put(event.wait_reason);
}

void EventBatchWriter::add(const End& event) { add_common(EventKind::end, event.time_ns, event.goid); }

void EventBatchWriter::add(const AllocationSample& event) {
  add_common(EventKind::allocation, event.time_ns, event.goid);
  stack_.put(number(event.stack));
  sample_id_.put_delta(event.id);
  size_class_.put(event.size_class);
  size_.put(event.size);
  objects_.put(event.objects);
  tracked_.put(event.tracked ? 1 : 0);
}

std::size_t EventBatchWriter::bytes() const {
  return total({&kind_, &time_, &goid_, &wait_reason_, &start_, &stack_, &sample_id_, &size_class_, &size_, &objects_,
                &tracked_});
}

void EventBatchWriter::move_into(protozero::pbf_writer& message) {
  move_all({&kind_, &time_, &goid_, &wait_reason_, &start_, &stack_, &sample_id_, &size_class_, &size_, &objects_,
            &tracked_},
           message);
  previous_goid_.fill(0);
}

void GoroutineBatchWriter::add(const GoroutineState& state) {
  goid_.put_delta(state.goid);
  parent_.put_delta(state.parent_goid);
  status_.put(number(state.status));
  wait_reason_.put(state.wait_reason);
  flags_.put((state.ran ? 1U : 0U) | (state.stack_torn ? 2U : 0U) | (state.system ? 4U : 0U));
  wait_since_.put_delta(state.wait_since_ns);
  stack_bytes_.put(state.stack_bytes);
  created_at_.put(number(state.created_at));
  start_.put(number(state.start));
  stack_.put(number(state.stack));
  object_count_.put(state.wait_object_count);
  const std::size_t listed = std::min(state.wait_objects.size(), kMaxWaitObjects);
  objects_listed_.put(listed);
  for (std::size_t i = 0; i < listed; ++i) add(state.wait_objects[i]);
}

void GoroutineBatchWriter::add(const WaitObject& object) {
  object_kind_.put(number(object.kind));
  object_direction_.put(number(object.direction));
  object_flags_.put((object.timer ? 1U : 0U) | (object.closed ? 2U : 0U));
  object_address_.put_delta(object.address);
  object_length_.put(object.length);
  object_capacity_.put(object.capacity);
}

std::size_t GoroutineBatchWriter::bytes() const {
  return total({&goid_, &parent_, &status_, &wait_reason_, &flags_, &wait_since_, &stack_bytes_, &created_at_, &start_,
                &stack_, &object_count_, &objects_listed_, &object_kind_, &object_direction_, &object_flags_,
                &object_address_, &object_length_, &object_capacity_});
}

void GoroutineBatchWriter::move_into(protozero::pbf_writer& message) {
  move_all({&goid_, &parent_, &status_, &wait_reason_, &flags_, &wait_since_, &stack_bytes_, &created_at_, &start_,
            &stack_, &object_count_, &objects_listed_, &object_kind_, &object_direction_, &object_flags_,
            &object_address_, &object_length_, &object_capacity_},
           message);
}

}  // namespace gotrace::trace
