#include "session/hub.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

namespace gotrace::session {

Hub::Hub(std::unique_ptr<trace::Writer> writer, std::function<void(const std::string&)> warn)
    : writer_(std::move(writer)), warn_(std::move(warn)) {}

void Hub::accept(const Record& record) {
  if (writer_) writer_->accept(record);
  model_.accept(record);
  if (const auto* counters = std::get_if<HeapCounters>(&record)) counters_ = *counters;
  if (const auto* state = std::get_if<SourceState>(&record)) watch(*state);
}

void Hub::watch(const SourceState& state) {
  if (state.status != SourceStatus::failed || !warn_ || !warned_.insert(state.name).second) return;
  warn_(state.name + " off: " + state.reason + (state.fix.empty() ? "" : "; " + state.fix));
}

void Hub::warn_about_probes() {
  if (!warn_) return;
  std::map<std::string, std::set<std::string>> failed;  // by reason
  for (const auto& [symbol, state] : model_.probes())
    if (state.status == ProbeStatus::failed) failed[state.reason].insert(state.name);
  constexpr auto kStillRead = "goroutines and the heap profile are still read";
  for (const auto& [reason, names] : failed) {
    const bool all = failed.size() == 1 && std::all_of(model_.probes().begin(), model_.probes().end(), [](const auto& probe) {
      return probe.second.status == ProbeStatus::failed;
    });
    const auto which = all ? std::string() : fmt::format(" ({})", fmt::join(names, ", "));
    warn_(fmt::format("probes off{}: {}; {}", which, reason, kStillRead));
  }
}

std::optional<Error> Hub::take_trace_error() {
  if (!writer_ || trace_error_told_) return std::nullopt;
  const auto status = writer_->status();
  if (status) return std::nullopt;
  trace_error_told_ = true;
  return status.error();
}

Status Hub::finish() {
  if (!writer_ || trace_error_told_) return success();
  return writer_->finish();
}

}  // namespace gotrace::session
