// The live screen: what fits into the terminal, the most important first. Lines are cut, never wrapped.
#include <fmt/format.h>

#include <algorithm>

#include "base/units.h"
#include "report/facts.h"
#include "report/sections.h"

namespace gotrace::report {

namespace {

std::string totals_line(const detect::Analysis& analysis) {
  std::string text = "seen for " + format_duration(analysis.window.seconds);
  if (analysis.goroutines.total)
    text += fmt::format("   goroutines {} ({})", format_count(*analysis.goroutines.total),
                        detect::to_string(analysis.goroutines.trend));
  if (analysis.memory.heap_live_bytes)
    text += fmt::format("   heap live {} ({})", format_bytes(static_cast<double>(*analysis.memory.heap_live_bytes)),
                        detect::to_string(analysis.memory.heap_trend));
  if (analysis.window.gc_cycles) text += fmt::format("   GCs {}", *analysis.window.gc_cycles);
  return text;
}

std::string memory_line(const detect::Analysis& analysis) {
  if (!analysis.memory.last) return "memory not read";
  const auto& figures = *analysis.memory.last;
  const auto size = [](std::uint64_t bytes) { return format_bytes(static_cast<double>(bytes)); };
  auto text = fmt::format("VIRT {}  RES {}  SHR {}  SWAP {}", size(figures.vm_bytes), size(figures.rss_bytes),
                          size(figures.shared_bytes), size(figures.swap_bytes));
  if (analysis.memory.mem_percent) text += fmt::format("  %MEM {:.1f}", *analysis.memory.mem_percent);
  if (!analysis.memory.limits.empty()) text += "  limit " + size(analysis.memory.limits.front().bytes);
  return text;
}

std::string finding_place(const Page& page, const detect::Finding& finding) {
  if (!finding.where) return page.name(finding.title);
  auto text = page.name(short_function(*finding.where)) + "  " + page.name(place(*finding.where));
  if (!finding.wait_reason.empty()) text += "  " + page.name(finding.wait_reason, 40);
  return text;
}

std::string group_line(const Page& page, const detect::GoroutineGroup& group) {
  const auto& frame = group.blocked_at ? group.blocked_at : group.start;
  const auto age = group.oldest_seconds_at_least ? ">=" + format_duration(*group.oldest_seconds_at_least) : "-";
  return pad_left(format_count(group.count), 10) + "  " + pad_left(age, 8) + "  " +
         pad_right(shorten(frame ? page.name(short_function(*frame)) : "?", 34), 34) + "  " +
         page.name(group.wait_reason, 24);
}

}  // namespace

std::string render_screen(const detect::Analysis& analysis, const ReportOptions& options, int height) {
  Page page(options);
  const std::size_t room = height > 8 ? static_cast<std::size_t>(height) : 8;
  page.row(headline(analysis, page),
           analysis.findings.empty() ? Style::bold : verdict_style(analysis.findings.front()));
  page.row(totals_line(analysis));
  page.row(memory_line(analysis));
  page.blank();
  std::size_t used = 4;
  std::size_t number = 0;
  for (const auto& finding : analysis.findings) {
    if (used + 2 + 1 > room) break;
    page.row(fmt::format("{}. {}  {}", ++number, verdict_word(finding), page.name(finding_numbers(finding))),
             verdict_style(finding));
    page.row("   " + finding_place(page, finding));
    used += 2;
  }
  if (used + 3 <= room && !analysis.goroutines.groups.empty()) {
    page.row("     count    oldest  blocked in", Style::bold);
    ++used;
    for (const auto& group : analysis.goroutines.groups) {
      if (used + 1 >= room) break;
      page.row(group_line(page, group));
      ++used;
    }
  }
  page.row("q quits and prints the report");
  return page.take();
}

}  // namespace gotrace::report
