// A trace, fed through the same model and detectors as a live session.
#include "detect/analyze.h"
#include "model/model.h"
#include "session/session.h"
#include "trace/trace.h"

namespace gotrace::session {
namespace {

// Lets an option of the replay stand in for what was recorded.
class Overriding final : public RecordSink {
 public:
  Overriding(RecordSink& next, std::optional<std::uint64_t> stuck_after_ns)
      : next_(next), stuck_after_ns_(stuck_after_ns) {}
  void accept(const Record& record) override {
    if (const auto* start = std::get_if<SessionStart>(&record); start != nullptr && stuck_after_ns_) {
      SessionStart changed = *start;
      changed.stuck_after_ns = *stuck_after_ns_;
      next_.accept(changed);
    } else {
      next_.accept(record);
    }
  }

 private:
  RecordSink& next_;
  std::optional<std::uint64_t> stuck_after_ns_;
};

}  // namespace

Result<Replay> replay(const std::string& path, std::optional<std::uint64_t> stuck_after_ns) {
  model::Model model;
  Overriding sink(model, stuck_after_ns);
  const auto summary = trace::read(path, sink);
  if (!summary) return summary.error();
  return Replay{detect::analyze(model), summary->trouble};
}

}  // namespace gotrace::session
