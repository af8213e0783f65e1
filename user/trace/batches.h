// High-rate records, stored in columns (messages EventBatch and GoroutineBatch of include/gotrace/trace.proto). A batch
// holds records that came one right after the other, and differences start anew with each batch.
#pragma once

#include <array>
#include <cstdint>
#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>

#include "records/record.h"
#include "trace/columns.h"
#include "trace/delivery.h"

namespace gotrace::trace {

enum class EventKind : std::uint8_t { birth, park, end, allocation };  // numbers as in trace.proto
constexpr std::size_t kEventKinds = 4;

class EventBatchWriter {
 public:
  void add(const Birth& event);
  void add(const Park& event);
  void add(const End& event);
  void add(const AllocationSample& event);
  [[nodiscard]] std::size_t bytes() const;  // about what it will take uncompressed
  [[nodiscard]] bool empty() const { return kind_.size() == 0; }
  // Adds the columns to the message EventBatch and starts a new batch.
  void move_into(protozero::pbf_writer& message);

 private:
  void add_common(EventKind kind, std::uint64_t time_ns, std::uint64_t goid);

  ColumnWriter kind_, time_, goid_, wait_reason_, start_, stack_;
  ColumnWriter sample_id_, size_class_, size_, objects_, tracked_;
  std::array<std::uint64_t, kEventKinds> previous_goid_{};
};

class GoroutineBatchWriter {
 public:
  void add(const GoroutineState& state);
  [[nodiscard]] std::size_t bytes() const;
  [[nodiscard]] bool empty() const { return goid_.size() == 0; }
  void move_into(protozero::pbf_writer& message);

 private:
  void add(const WaitObject& object);

  ColumnWriter goid_, parent_, status_, wait_reason_, flags_, wait_since_, stack_bytes_, created_at_, start_, stack_;
  ColumnWriter object_count_, objects_listed_;
  ColumnWriter object_kind_, object_direction_, object_flags_, object_address_, object_length_, object_capacity_;
};

// Deliver the records of one batch in order. A record with a value that this version does not know is left out. Throw
// protozero::exception at malformed input; what came before it was delivered.
void read_event_batch(protozero::pbf_reader message, Delivery& out);
void read_goroutine_batch(protozero::pbf_reader message, Delivery& out);

}  // namespace gotrace::trace
