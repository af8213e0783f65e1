#include "trace/encoder.h"

#include "trace/fields.h"
#include "trace/format.h"
#include "trace/record_time.h"

namespace gotrace::trace {
namespace {

constexpr std::uint32_t kRecordOfChunk = 1;

}  // namespace

void Encoder::add(const Record& record) {
  std::visit(
      [this](const auto& r) {
        using R = std::decay_t<decltype(r)>;
        if constexpr (requires { events_.add(r); }) {
          add_event(r);
        } else if constexpr (std::is_same_v<R, GoroutineState>) {
          add_goroutine(r);
        } else {
          close_batches();
          add_alone(r);
        }
      },
      record);
}

void Encoder::add_event(const auto& event) {
  if (!goroutines_.empty()) close_batches();
  events_.add(event);
  ++records_;
}

void Encoder::add_goroutine(const GoroutineState& state) {
  if (!events_.empty()) close_batches();
  goroutines_.add(state);
  ++records_;
}

template <typename R>
void Encoder::add_alone(const R& record) {
  // A sub-message of its own, as protozero drops a nested one that turns out to be empty (GoroutinesGone without any).
  message_.clear();
  bool fits = true;
  protozero::pbf_writer message(message_);
  FieldWriter fields(message, fits);
  Schema<R>::visit(fields, record);
  if (!fits || message_.size() > kMaxRecordBytes) return report_too_large(time_of(Record(record)).value_or(0));
  protozero::pbf_writer chunk(payload_);
  protozero::pbf_writer envelope(chunk, kRecordOfChunk);
  envelope.add_message(Schema<R>::number, message_);
  ++records_;
}

// No target that is what it claims to be leads here; but what is left out must be told.
void Encoder::report_too_large(std::uint64_t time_ns) {
  add_alone(Loss{time_ns, "trace_records_too_large", ++too_large_});
}

void Encoder::close_batches() {
  protozero::pbf_writer chunk(payload_);
  if (!events_.empty()) {
    protozero::pbf_writer envelope(chunk, kRecordOfChunk);
    protozero::pbf_writer batch(envelope, kEventBatch);
    events_.move_into(batch);
  }
  if (!goroutines_.empty()) {
    protozero::pbf_writer envelope(chunk, kRecordOfChunk);
    protozero::pbf_writer batch(envelope, kGoroutineBatch);
    goroutines_.move_into(batch);
  }
}

std::string_view Encoder::payload() {
  close_batches();
  return payload_;
}

void Encoder::clear() {
  payload_.clear();
  records_ = 0;
}

}  // namespace gotrace::trace
