// JSON: who was looked at, when, how, and what the answer in one line is.
#include <fmt/format.h>

#include <limits>

#include "base/units.h"
#include "report/facts.h"
#include "report/json_parts.h"

namespace gotrace::report {

namespace {

// Empty stands for "not known" in the records.
Json known(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json json_summary(const detect::Analysis& analysis) {
  const auto& summary = analysis.summary;
  ReportOptions plain;
  plain.utf8 = true;
  Json missing = Json::array();
  for (const auto& check : summary.not_checked)
    missing.push_back({{"check", check.check}, {"reason", check.reason}, {"fix", check.fix}});
  return {{"verdict", detect::to_string(summary.verdict)},
          {"headline", headline(analysis, Page(plain))},
          {"checked", Json(summary.checked)},
          {"not_checked", missing},
          {"detection_floor",
           {{"goroutines_per_second", json_optional(summary.floor_goroutines_per_second)},
            {"heap_bytes_per_second", json_optional(summary.floor_heap_bytes_per_second)}}}};
}

Json json_target(const detect::Analysis& analysis) {
  // Without a description every key is there all the same, and null.
  const bool is_known = analysis.target.has_value();
  const TargetInfo target = analysis.target.value_or(TargetInfo{});
  const auto when_known = [is_known](Json value) { return is_known ? std::move(value) : Json(nullptr); };
  return {{"pid", when_known(target.pid)},
          {"ns_pid", when_known(target.ns_pid)},
          {"host", known(target.host)},
          {"container_id", known(target.container_id)},
          {"cgroup", known(target.cgroup)},
          {"exe", known(target.exe)},
          {"module", known(target.module)},
          {"version", known(target.version)},
          {"vcs_revision", known(target.vcs_revision)},
          {"build_id", known(target.build_id)},
          {"go_version", known(target.go_version)},
          {"experiments", when_known(Json(target.experiments))},
          {"arch", known(target.arch)},
          {"stripped", when_known(target.stripped)},
          {"pie", when_known(target.pie)},
          {"cgo", when_known(target.cgo)},
          {"started", target.started_wall_ns > 0 ? Json(rfc3339(target.started_wall_ns)) : Json(nullptr)},
          {"memory_profile_rate", json_optional(target.memory_profile_rate)},
          {"gogc_percent", json_optional(target.gogc_percent)},
          {"gomemlimit_bytes", json_optional(target.gomemlimit_bytes)}};
}

Json json_window(const detect::Analysis& analysis) {
  const auto& window = analysis.window;
  return {{"start", rfc3339(window.start_wall_ns)},
          {"seconds", window.seconds},
          {"complete", window.complete},
          {"end", window.end ? Json(detect::to_string(*window.end)) : Json(nullptr)},
          {"gc_cycles", json_optional(window.gc_cycles)}};
}

Json json_probe(const detect::ProbeSummary& probe) {
  const auto& state = probe.state;
  return {{"name", state.name},
          {"symbol", state.symbol},
          {"state", detect::to_string(state.status)},
          {"reason", known(state.reason)},
          {"attached_seconds", probe.attached_seconds},
          {"window_seconds", probe.window_seconds},
          {"hits", state.hits},
          {"lost", state.lost},
          {"would_cost_percent", json_optional(state.would_cost_percent)}};
}

Json state_of(const detect::Analysis& analysis, std::string_view name) {
  const auto* source = find_source(analysis, name);
  return source == nullptr ? Json(nullptr) : Json(detect::to_string(source->status));
}
Json reason_of(const detect::Analysis& analysis, std::string_view name) {
  const auto* source = find_source(analysis, name);
  return source == nullptr ? Json(nullptr) : known(source->reason);
}

Json json_retention(const detect::Analysis& analysis) {
  if (!analysis.retention) return nullptr;
  const auto& search = *analysis.retention;
  return {{"searches", search.searches},
          {"read_bytes", search.read_bytes},
          {"to_read_bytes", search.to_read_bytes},
          {"stacks", search.stacks},
          {"stacks_followed", search.stacks_followed},
          {"cpu_seconds", static_cast<double>(search.cpu_ns) / 1e9}};
}

}  // namespace

Json json_header(const detect::Analysis& analysis) {
  return {{"schema", kReportSchema},
          {"schema_minor", kReportSchemaMinor},
          {"tool", {{"version", analysis.session.tool_version}}},
          {"summary", json_summary(analysis)},
          {"target", json_target(analysis)},
          {"window", json_window(analysis)}};
}

Json json_sources(const detect::Analysis& analysis) {
  Json probes = Json::array(), gaps = Json::array(), states = Json::array(), writes = Json::array();
  for (const auto& probe : analysis.probes) probes.push_back(json_probe(probe));
  for (const auto& gap : analysis.gaps) {
    const double seconds = gap.end_ns > gap.begin_ns ? static_cast<double>(gap.end_ns - gap.begin_ns) / 1e9 : 0;
    const double after = gap.begin_ns > analysis.session.time_ns
                             ? static_cast<double>(gap.begin_ns - analysis.session.time_ns) / 1e9
                             : 0;
    gaps.push_back({{"after_seconds", after}, {"seconds", seconds}, {"reason", gap.reason}});
  }
  for (const auto& source : analysis.sources)
    states.push_back({{"name", source.name},
                      {"state", detect::to_string(source.status)},
                      {"reason", known(source.reason)},
                      {"fix", known(source.fix)}});
  for (const auto& write : analysis.writes)
    writes.push_back({{"what", write.what},
                      {"address", fmt::format("{:#x}", write.address)},
                      {"old", fmt::format("{:#x}", write.old_value)},
                      {"new", fmt::format("{:#x}", write.new_value)},
                      {"restored", write.restored}});
  return {{"snapshots",
           {{"state", state_of(analysis, "snapshots")},
            {"reason", reason_of(analysis, "snapshots")},
            {"looks", analysis.snapshots.looks},
            {"last_read_seconds", static_cast<double>(analysis.snapshots.last_read_ns) / 1e9},
            {"longest_read_seconds", static_cast<double>(analysis.snapshots.max_read_ns) / 1e9}}},
          {"heap_profile",
           {{"state", state_of(analysis, "heap-profile")},
            {"reason", reason_of(analysis, "heap-profile")},
            {"looks", analysis.heap_profile.looks},
            {"bytes_per_sample", analysis.heap_profile.rate},
            {"buckets", analysis.heap_profile.buckets}}},
          {"retention", json_retention(analysis)},
          {"probes", probes},
          {"states", states},
          {"gaps", gaps},
          {"writes", writes}};
}

Json json_overhead(const detect::Analysis& analysis) {
  const auto budget = parse_share(analysis.session.max_overhead);
  return {
      {"budget", budget ? Json(*budget) : Json(nullptr)},
      {"estimated", json_optional(probe_cost(analysis))},
      {"trap_ns", analysis.overhead ? json_optional(analysis.overhead->trap_ns) : Json(nullptr)},
      {"own_cpu_seconds", analysis.end ? Json(static_cast<double>(analysis.end->own_cpu_ns) / 1e9) : Json(nullptr)}};
}

}  // namespace gotrace::report
