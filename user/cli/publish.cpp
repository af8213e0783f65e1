#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/output.h"

namespace gotrace::cli {

int publish(const detect::Analysis& analysis, const Options& options) {
  const auto* format = report::find_format(options.format.empty() ? "text" : options.format);
  const bool to_file = !options.output.empty() && options.output != "-";
  const std::string text = format->render(analysis, report_options(options, !to_file && stdout_is_terminal()));
  if (!to_file) return write_stdout(text) ? 0 : 141;
  const Status written = write_file(options.output, text, options.force);
  if (!written.ok()) {
    print_error(written.error());
    return exit_code(written.error().kind);
  }
  print_note(fmt::format("wrote {}", options.output));
  return 0;
}

int judge_fail_on(const detect::Analysis& analysis, const std::string& fail_on) {
  if (fail_on.empty()) return 0;
  const auto least = fail_on == "proved"    ? detect::Verdict::proved
                     : fail_on == "leaking" ? detect::Verdict::leaking
                                            : detect::Verdict::suspected;
  for (const auto& finding : analysis.findings)
    if (finding.verdict >= least) return 3;
  return analysis.summary.not_checked.empty() ? 0 : 4;
}

}  // namespace gotrace::cli
