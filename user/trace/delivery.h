// The way of decoded records to their sink, with what must be known about all of them.
#pragma once

#include <cstdint>
#include <optional>

#include "records/record.h"
#include "trace/id_table.h"
#include "trace/record_time.h"

namespace gotrace::trace {

class Delivery {
 public:
  explicit Delivery(RecordSink& sink) : sink_(sink) {}

  void deliver(const Record& record, std::optional<std::uint64_t> time_ns) {
    if (time_ns) span_.include(*time_ns);
    ++records_;
    sink_.accept(record);
  }
  void count_unknown_fields(std::uint64_t count) { unknown_fields_ += count; }

  [[nodiscard]] IdTable& ids() { return ids_; }
  [[nodiscard]] const IdTable& ids() const { return ids_; }
  [[nodiscard]] const TimeSpan& span() const { return span_; }
  [[nodiscard]] std::uint64_t records() const { return records_; }
  [[nodiscard]] std::uint64_t unknown_fields() const { return unknown_fields_; }

 private:
  RecordSink& sink_;
  IdTable ids_;
  TimeSpan span_;
  std::uint64_t records_ = 0;
  std::uint64_t unknown_fields_ = 0;
};

}  // namespace gotrace::trace
