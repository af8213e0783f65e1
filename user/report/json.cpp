// The JSON report (CONTRACT section 3), and the same parts as JSON lines.
#include "report/json_parts.h"
#include "report/report.h"

namespace gotrace::report {

namespace {

Json json_goroutines(const detect::Goroutines& goroutines) {
  const bool read = goroutines.total.has_value();  // never read is not "none"
  Json sites = Json::array(), groups = Json::array();
  for (const auto& site : goroutines.sites) sites.push_back(json_creation_site(site));
  for (const auto& group : goroutines.groups) groups.push_back(json_group(group));
  return {{"total", json_optional(goroutines.total)},
          {"by_status", read ? Json(goroutines.by_status) : Json(nullptr)},
          {"creation_sites", read ? sites : Json(nullptr)},
          {"groups", read ? groups : Json(nullptr)}};
}

bool call_sites_known(const detect::Analysis& analysis) {
  if (!analysis.call_sites.empty()) return true;
  for (const auto& check : analysis.summary.not_checked)
    if (check.check == "call-site-growth") return false;
  return true;
}

void append_line(std::string& out, const char* type, const Json& value) {
  Json line = {{"type", type}};
  line.update(value);
  out += dump(line, -1) + '\n';
}

}  // namespace

std::string render_json(const detect::Analysis& analysis, const ReportOptions& /*options*/) {
  Json report = json_header(analysis);
  report["sources"] = json_sources(analysis);
  report["overhead"] = json_overhead(analysis);
  report["loss"] = Json(analysis.loss);
  if (analysis.loss.empty()) report["loss"] = Json::object();
  report["memory"] = json_memory(analysis);
  report["goroutines"] = json_goroutines(analysis.goroutines);
  Json sites = Json::array(), findings = Json::array();
  for (const auto& site : analysis.call_sites) sites.push_back(json_call_site(site));
  for (const auto& finding : analysis.findings) findings.push_back(json_finding(finding));
  report["call_sites"] = call_sites_known(analysis) ? sites : Json(nullptr);
  report["findings"] = findings;
  report["proof"] = json_proof(analysis);
  report["held_by"] = json_holders(analysis);
  return dump(report, 2) + '\n';
}

std::string render_jsonl(const detect::Analysis& analysis, const ReportOptions& /*options*/) {
  std::string out;
  append_line(out, "header", json_header(analysis));
  append_line(out, "memory", json_memory(analysis));
  if (analysis.proof) append_line(out, "proof", json_proof(analysis));
  if (analysis.holders) append_line(out, "held_by", json_holders(analysis));
  for (const auto& finding : analysis.findings) append_line(out, "finding", json_finding(finding));
  for (const auto& site : analysis.goroutines.sites) append_line(out, "creation_site", json_creation_site(site));
  for (const auto& group : analysis.goroutines.groups) append_line(out, "group", json_group(group));
  for (const auto& site : analysis.call_sites) append_line(out, "call_site", json_call_site(site));
  return out;
}

}  // namespace gotrace::report
