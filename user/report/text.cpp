// The text report: headline, findings, memory, how sure, target, next (CONTRACT section 5).
#include "report/sections.h"

namespace gotrace::report {

std::string render_text(const detect::Analysis& analysis, const ReportOptions& options) {
  Page page(options);
  print_headline(page, analysis);
  std::size_t number = 0;
  for (const auto& finding : analysis.findings) {
    page.blank();
    print_finding(page, analysis, finding, ++number);
  }
  if (analysis.findings.empty() && !analysis.proof) {
    page.blank();
    print_trends(page, analysis);
  }
  if (analysis.proof) print_reached(page, analysis);
  print_holders(page, analysis);
  if ((analysis.findings.empty() && !analysis.proof) || options.all) {
    print_groups(page, analysis);
    if (!analysis.proof) print_call_sites(page, analysis);
    if (options.all) print_creation_sites(page, analysis);
  }
  page.blank();
  print_memory(page, analysis);
  print_how_sure(page, analysis);
  print_target(page, analysis);
  print_next(page, analysis);
  return page.take();
}

}  // namespace gotrace::report
