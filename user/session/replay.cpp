// Replay: a trace through the same model and detectors as a live session.
#include "detect/analyze.h"
#include "model/model.h"
#include "session/session.h"
#include "trace/trace.h"

namespace gotrace::session {

namespace {

// Passes records on to the model; judges by another --stuck-after than was recorded where one is given.
class Player final : public RecordSink {
 public:
  Player(model::Model& model, std::optional<std::uint64_t> stuck_after_ns, const OnLook& on_look)
      : model_(model), stuck_after_ns_(stuck_after_ns), on_look_(on_look) {}

  void accept(const Record& record) override {
    if (const auto* start = std::get_if<SessionStart>(&record)) return accept_start(*start);
    model_.accept(record);
    if (const auto* look = std::get_if<Snapshot>(&record); look != nullptr && on_look_) show(*look);
  }
  [[nodiscard]] std::optional<std::uint64_t> recorded() const { return recorded_; }

 private:
  void accept_start(SessionStart start) {
    if (stuck_after_ns_ && start.stuck_after_ns != *stuck_after_ns_) {
      recorded_ = start.stuck_after_ns;
      start.stuck_after_ns = *stuck_after_ns_;
    }
    model_.accept(start);
  }
  void show(const Snapshot& look) {
    const std::uint64_t elapsed = shown_ns_ != 0 && look.time_ns > shown_ns_ ? look.time_ns - shown_ns_ : 0;
    shown_ns_ = look.time_ns;
    on_look_(detect::analyze(model_), elapsed);
  }

  model::Model& model_;
  std::optional<std::uint64_t> stuck_after_ns_;
  const OnLook& on_look_;
  std::optional<std::uint64_t> recorded_;
  std::uint64_t shown_ns_ = 0;
};

}  // namespace

Result<Replay> replay(const std::string& path, std::optional<std::uint64_t> stuck_after_ns, const OnLook& on_look) {
  model::Model model;
  Player sink(model, stuck_after_ns, on_look);
  const auto summary = trace::read(path, sink);
  if (!summary) return summary.error();
  Replay result;
  result.analysis = detect::analyze(model);
  result.analysis.recorded_stuck_after_ns = sink.recorded();
  result.trouble = summary->trouble;
  result.unknown_records = summary->unknown_records;
  return result;
}

}  // namespace gotrace::session
