#include "trace/decoder.h"

#include <protozero/pbf_reader.hpp>
#include <utility>

#include "trace/batches.h"
#include "trace/fields.h"
#include "trace/schema.h"

namespace gotrace::trace {
namespace {

template <typename R>
concept StoredAlone = requires {
  Schema<R>::number;
};

template <typename R>
void read_record(protozero::pbf_reader message, Delivery& out) {
  Record record(std::in_place_type<R>);
  Findings findings;
  read_fields(message, std::get<R>(record), findings);
  out.count_unknown_fields(findings.unknown_fields);
  if (findings.valid && out.ids().admit(std::get<R>(record))) out.deliver(record, time_of(record));
}

template <typename R>
bool read_if(std::uint32_t number, protozero::pbf_reader message, Delivery& out) {
  if constexpr (StoredAlone<R>) {
    if (number == Schema<R>::number) {
      read_record<R>(message, out);
      return true;
    }
  }
  return false;
}

// Finds the alternative of Record that has this number; none: a type of a newer minor version.
template <typename... Alternatives>
void read_any(std::uint32_t number, protozero::pbf_reader message, Delivery& out, std::variant<Alternatives...>*) {
  (read_if<Alternatives>(number, message, out) || ...);
}

// Message Record: one field, whose number says what it is.
void read_envelope(protozero::pbf_reader envelope, Delivery& out) {
  if (!envelope.next() || envelope.wire_type() != protozero::pbf_wire_type::length_delimited) return;
  const std::uint32_t number = envelope.tag();
  const protozero::pbf_reader message(envelope.get_view());
  if (number == kEventBatch) {
    read_event_batch(message, out);
  } else if (number == kGoroutineBatch) {
    read_goroutine_batch(message, out);
  } else {
    read_any(number, message, out, static_cast<Record*>(nullptr));
  }
}

// protozero throws at malformed input; that ends here.
void read_envelope_or_skip(protozero::data_view bytes, Delivery& out) {
  try {
    read_envelope(protozero::pbf_reader(bytes), out);
  } catch (const protozero::exception&) {
    return;  // left out: the reader counts what the chunk's header promised and did not come
  }
}

}  // namespace

void decode_payload(std::string_view payload, Delivery& out) {
  protozero::pbf_reader chunk(payload.data(), payload.size());
  try {
    while (chunk.next()) {
      if (chunk.tag() == 1 && chunk.wire_type() == protozero::pbf_wire_type::length_delimited) {
        read_envelope_or_skip(chunk.get_view(), out);
      } else {
        chunk.skip();
        out.count_unknown_fields(1);
      }
    }
  } catch (const protozero::exception&) {
    return;  // as above
  }
}

}  // namespace gotrace::trace
