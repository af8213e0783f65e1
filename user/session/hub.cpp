#include "session/hub.h"

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
  for (const auto& [reason, names] : failed)
    warn_(fmt::format("probes {} off: {}; goroutines and the heap profile are still read", fmt::join(names, ", "), reason));
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
