// Records -> the payload of a chunk (message Chunk of include/gotrace/trace.proto).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include "records/record.h"
#include "trace/batches.h"

namespace gotrace::trace {

class Encoder {
 public:
  void add(const Record& record);
  [[nodiscard]] std::size_t bytes() const { return payload_.size() + events_.bytes() + goroutines_.bytes(); }
  [[nodiscard]] std::uint32_t records() const { return records_; }
  // All that was added since clear(). Valid until the next add().
  [[nodiscard]] std::string_view payload();
  void clear();

 private:
  template <typename R>
  void add_alone(const R& record);
  void add_event(const auto& event);
  void add_goroutine(const GoroutineState& state);
  void close_batches();
  void report_too_large(std::uint64_t time_ns);

  std::string payload_;
  std::string message_;              // kept for its capacity
  EventBatchWriter events_;          // at most one of these two is open,
  GoroutineBatchWriter goroutines_;  // and it holds what came after payload_
  std::uint32_t records_ = 0;
  std::uint64_t too_large_ = 0;
};

}  // namespace gotrace::trace
