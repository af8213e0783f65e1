// The words of the JSON contract (CONTRACT section 3).
#include "detect/analysis.h"

namespace gotrace::detect {

const char* to_string(Trend trend) {
  switch (trend) {
    case Trend::unknown:
      return "unknown";
    case Trend::growing:
      return "growing";
    case Trend::plateaued:
      return "plateaued";
    case Trend::flat:
      return "flat";
    case Trend::shrinking:
      return "shrinking";
  }
  return "unknown";
}
const char* to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::unknown:
      return "unknown";
    case Verdict::healthy:
      return "healthy";
    case Verdict::suspected:
      return "suspected";
    case Verdict::leaking:
      return "leaking";
    case Verdict::proved:
      return "proved";
  }
  return "unknown";
}
const char* to_string(Confidence confidence) {
  switch (confidence) {
    case Confidence::low:
      return "low";
    case Confidence::medium:
      return "medium";
    case Confidence::high:
      return "high";
  }
  return "low";
}
const char* to_string(SummaryVerdict verdict) {
  switch (verdict) {
    case SummaryVerdict::insufficient_data:
      return "insufficient-data";
    case SummaryVerdict::none_seen:
      return "none-seen";
    case SummaryVerdict::suspected:
      return "suspected";
    case SummaryVerdict::leak:
      return "leak";
  }
  return "insufficient-data";
}
const char* to_string(EndReason reason) {
  switch (reason) {
    case EndReason::duration:
      return "duration";
    case EndReason::signal:
      return "signal";
    case EndReason::target_exited:
      return "target-exited";
  }
  return "duration";
}
const char* to_string(LimitKind kind) {
  switch (kind) {
    case LimitKind::cgroup:
      return "cgroup";
    case LimitKind::gomemlimit:
      return "gomemlimit";
    case LimitKind::machine:
      return "machine";
    case LimitKind::rlimit:
      return "rlimit";
  }
  return "machine";
}
const char* to_string(GoStatus status) {
  switch (status) {
    case GoStatus::idle:
      return "idle";
    case GoStatus::runnable:
      return "runnable";
    case GoStatus::running:
      return "running";
    case GoStatus::syscall:
      return "syscall";
    case GoStatus::waiting:
      return "waiting";
    case GoStatus::dead:
      return "dead";
    case GoStatus::copystack:
      return "copystack";
    case GoStatus::preempted:
      return "preempted";
    case GoStatus::leaked:
      return "leaked";
    case GoStatus::dead_extra:
      return "dead";
  }
  return "unknown";
}
const char* to_string(ProbeStatus status) {
  switch (status) {
    case ProbeStatus::on:
      return "on";
    case ProbeStatus::windowed:
      return "windowed";
    case ProbeStatus::withheld:
      return "withheld";
    case ProbeStatus::failed:
      return "failed";
  }
  return "failed";
}
const char* to_string(SourceStatus status) {
  switch (status) {
    case SourceStatus::on:
      return "on";
    case SourceStatus::off:
      return "off";
    case SourceStatus::failed:
      return "failed";
  }
  return "failed";
}

}  // namespace gotrace::detect
