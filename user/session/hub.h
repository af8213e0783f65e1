// Hub: where all records of a live session pass: to the model, to the trace, and past the few eyes of the session
// itself.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "model/model.h"
#include "trace/trace.h"

namespace gotrace::session {

class Hub final : public RecordSink {
 public:
  // `writer` may be null: no trace is kept. `warn` gets one line for each source that does not work, once; the first
  // time when release_warnings() is called.
  Hub(std::unique_ptr<trace::Writer> writer, std::function<void(const std::string&)> warn);

  void accept(const Record& record) override;

  [[nodiscard]] const model::Model& model() const { return model_; }
  [[nodiscard]] const std::optional<HeapCounters>& last_counters() const { return counters_; }
  // The first error of the trace, told once.
  [[nodiscard]] std::optional<Error> take_trace_error();
  // Says which probes could not be attached: one line a reason.
  void warn_about_probes();
  // Says what was held back until it was clear that there is a session at all, and holds nothing back from then on.
  void release_warnings();
  // Ends the trace properly.
  [[nodiscard]] Status finish();

 private:
  void watch(const SourceState& state);
  void warn(const std::string& text);

  std::unique_ptr<trace::Writer> writer_;
  std::function<void(const std::string&)> warn_;
  model::Model model_;
  std::optional<HeapCounters> counters_;
  std::set<std::string> warned_;  // names of sources
  std::vector<std::string> held_back_;
  bool released_ = false;
  bool trace_error_told_ = false;
};

}  // namespace gotrace::session
