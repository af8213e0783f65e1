// Replay: a trace through the same model and detectors as a live session.
#include "detect/analyze.h"
#include "model/model.h"
#include "session/session.h"
#include "trace/trace.h"

namespace gotrace::session {

namespace {

// Passes records on; judges by another --stuck-after than was recorded where one is given.
class Override final : public RecordSink {
 public:
  Override(RecordSink& sink, std::optional<std::uint64_t> stuck_after_ns)
      : sink_(sink), stuck_after_ns_(stuck_after_ns) {}

  void accept(const Record& record) override {
    const auto* start = std::get_if<SessionStart>(&record);
    if (start == nullptr || !stuck_after_ns_ || start->stuck_after_ns == *stuck_after_ns_) return sink_.accept(record);
    recorded_ = start->stuck_after_ns;
    SessionStart changed = *start;
    changed.stuck_after_ns = *stuck_after_ns_;
    sink_.accept(changed);
  }
  [[nodiscard]] std::optional<std::uint64_t> recorded() const { return recorded_; }

 private:
  RecordSink& sink_;
  std::optional<std::uint64_t> stuck_after_ns_;
  std::optional<std::uint64_t> recorded_;
};

}  // namespace

Result<Replay> replay(const std::string& path, std::optional<std::uint64_t> stuck_after_ns) {
  model::Model model;
  Override sink(model, stuck_after_ns);
  const auto summary = trace::read(path, sink);
  if (!summary) return summary.error();
  Replay result;
  result.analysis = detect::analyze(model);
  result.analysis.recorded_stuck_after_ns = sink.recorded();
  result.trouble = summary->trouble;
  return result;
}

}  // namespace gotrace::session
