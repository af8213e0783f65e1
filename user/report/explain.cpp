// `explain`: everything that is known of one finding.
#include <fmt/format.h>

#include <algorithm>

#include "base/units.h"
#include "report/facts.h"
#include "report/sections.h"

namespace gotrace::report {

namespace {

constexpr std::size_t kLongestName = 1000;

void print_stack(Page& page, const std::vector<Frame>& stack) {
  if (stack.empty()) return page.paragraph("  ", 4, "not known");
  for (const auto& frame : stack) {
    page.paragraph("  ", 6, page.name(frame.function, kLongestName) + (frame.inlined ? "  (inlined)" : ""));
    if (!frame.file.empty())
      page.paragraph("      ", 8, fmt::format("{}:{}", page.name(frame.file, kLongestName), frame.line));
  }
}

void print_member_group(Page& page, const detect::GoroutineGroup& group) {
  page.blank();
  auto text = fmt::format("{}: {} goroutine{}, {}", group.id, format_count(group.count), group.count == 1 ? "" : "s",
                          page.name(group.wait_reason, 40));
  if (group.oldest_seconds_at_least)
    text += fmt::format(", parked at least {} to {}", format_duration(group.newest_seconds_at_least.value_or(0)),
                        format_duration(*group.oldest_seconds_at_least));
  if (group.not_yet_seen_by_gc > 0)
    text += fmt::format(", {} not yet seen parked by a GC", format_count(group.not_yet_seen_by_gc));
  page.paragraph("GROUP ", 6,
                 text + fmt::format(", {} of stacks", format_bytes(static_cast<double>(group.stack_bytes))),
                 Style::bold, 5);
  page.paragraph("  ids   ", 8,
                 fmt::format("{}{}", fmt::join(group.goids, ", "), group.count > group.goids.size() ? ", ..." : ""));
  page.paragraph("  stack, innermost first:", 2, "");
  print_stack(page, group.stack);
}

void print_site(Page& page, const detect::CallSite& site) {
  page.blank();
  auto text = site.id + ":";
  const auto add = [&text](const char* word, const std::optional<std::uint64_t>& bytes,
                           const std::optional<std::uint64_t>& objects) {
    if (bytes) text += fmt::format(" {} {}", word, format_bytes(static_cast<double>(*bytes)));
    if (bytes && objects) text += fmt::format(" in {} objects;", format_count(*objects));
  };
  add("live", site.live_bytes, site.live_objects);
  add("allocated so far", site.alloc_bytes, site.alloc_objects);
  if (site.growth_bytes)
    text += " growth " + rate_value(site.growth_bytes->value, true) + rate_interval(*site.growth_bytes, true);
  page.paragraph("SITE  ", 6, text, Style::bold, 4);
  page.paragraph("  allocated by, innermost first:", 2, "");
  print_stack(page, site.stack);
}

bool named(const std::vector<std::string>& ids, const std::string& id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

Error no_such_finding(const detect::Analysis& analysis, std::string_view id) {
  std::vector<std::string> ids;
  for (const auto& finding : analysis.findings) ids.push_back(finding.id);
  const auto known =
      ids.empty() ? std::string("there are no findings") : fmt::format("there are: {}", fmt::join(ids, ", "));
  return Error{ErrorKind::usage, fmt::format("no finding {}: {}", escape_for_terminal(id, true), known)};
}

}  // namespace

Result<std::string> render_finding(const detect::Analysis& analysis, std::string_view id,
                                   const ReportOptions& options) {
  const auto found = std::find_if(analysis.findings.begin(), analysis.findings.end(),
                                  [id](const auto& finding) { return finding.id == id || finding.exact_id == id; });
  if (found == analysis.findings.end()) return no_such_finding(analysis, id);
  Page page(options);
  print_finding(page, analysis, *found, static_cast<std::size_t>(found - analysis.findings.begin()) + 1);
  page.paragraph(pad_right("   kind", 14), 14,
                 fmt::format("{}, confidence {}, trend {}", found->kind, detect::to_string(found->confidence),
                             detect::to_string(found->trend)));
  page.paragraph(pad_right("   exact id", 14), 14, page.name(found->exact_id));
  page.blank();
  page.paragraph("EVIDENCE", 0, "", Style::bold, 8);
  for (const auto& evidence : found->evidence)
    page.paragraph("  " + page.name(evidence.code, 40) + ": ", 6, page.name(evidence.text, kLongestName));
  if (!found->stack.empty()) {
    page.blank();
    page.paragraph("STACK, innermost first", 0, "", Style::bold, 5);
    print_stack(page, found->stack);
  }
  for (const auto& group : analysis.goroutines.groups)
    if (named(found->group_ids, group.id)) print_member_group(page, group);
  for (const auto& site : analysis.call_sites)
    if (named(found->site_ids, site.id)) print_site(page, site);
  return page.take();
}

}  // namespace gotrace::report
