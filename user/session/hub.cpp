#include "session/hub.h"

#include <fmt/format.h>

#include <map>
#include <utility>

namespace gotrace::session {

Hub::Hub(std::unique_ptr<trace::Writer> writer, std::function<void(const std::string&)> warn)
    : writer_(std::move(writer)), warn_(std::move(warn)) {}

void Hub::accept(const Record& record) {
  if (writer_) writer_->accept(record);
  model_.accept(record);
  if (const auto* counters = std::get_if<HeapCounters>(&record)) counters_ = *counters;
  if (const auto* state = std::get_if<SourceState>(&record)) watch(*state);
}

void Hub::warn(const std::string& text) {
  if (!released_) return held_back_.push_back(text);
  if (warn_) warn_(text);
}

void Hub::release_warnings() {
  released_ = true;
  for (const auto& text : std::exchange(held_back_, {})) warn(text);
}

void Hub::watch(const SourceState& state) {
  if (state.status != SourceStatus::failed || state.name == "probes") return;  // probes: warn_about_probes()
  // Stacks and what goroutines wait on are nothing without goroutines: one line says it.
  const bool part = state.name == "stacks" || state.name == "wait-objects";
  if ((part && warned_.contains("snapshots")) || !warned_.insert(state.name).second) return;
  warn(state.name + " off: " + state.reason + (state.fix.empty() ? "" : "; " + state.fix));
}

void Hub::warn_about_probes() {
  constexpr auto kStillRead = "goroutines and the heap profile are still read";
  std::map<std::string, std::set<std::string>> failed;  // by reason
  bool all = true;
  for (const auto& [symbol, state] : model_.probes()) {
    if (state.status == ProbeStatus::failed) failed[state.reason].insert(state.name);
    all = all && state.status == ProbeStatus::failed;
  }
  const auto source = model_.sources().find("probes");
  if (failed.empty() && source != model_.sources().end() && source->second.status == SourceStatus::failed)
    warn(fmt::format("probes off: {}; {}", source->second.reason, kStillRead));
  for (const auto& [reason, names] : failed) {
    const auto which = all && failed.size() == 1 ? std::string() : fmt::format(" ({})", fmt::join(names, ", "));
    warn(fmt::format("probes off{}: {}; {}", which, reason, kStillRead));
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
