#include "cli/fail_on.h"

#include <algorithm>
#include <string_view>

#include "cli/messages.h"

namespace gotrace::cli {

namespace {

detect::Verdict least(FailOn fail_on) {
  if (fail_on == FailOn::proved) return detect::Verdict::proved;
  return fail_on == FailOn::leaking ? detect::Verdict::leaking : detect::Verdict::suspected;
}

// Whether a check that was not made could have led to a finding of this weight.
bool matters(std::string_view check, FailOn fail_on) {
  // Being stuck, or kept, without growing is never more than suspected from live sampling.
  if (check == "goroutine-stuck" || check == "retention") return fail_on == FailOn::suspected;
  return true;
}

}  // namespace

int judge(const detect::Analysis& analysis, FailOn fail_on) {
  if (fail_on == FailOn::never) return kDone;
  const auto& findings = analysis.findings;
  if (std::any_of(findings.begin(), findings.end(), [&](const auto& found) { return found.verdict >= least(fail_on); }))
    return kFound;
  // Nothing but a proof can say that nothing is provable.
  const auto& checked = analysis.summary.checked;
  if (fail_on == FailOn::proved)
    return std::find(checked.begin(), checked.end(), "goroutine-proof") != checked.end() ? kDone : kNotJudged;
  const auto& missing = analysis.summary.not_checked;
  if (std::any_of(missing.begin(), missing.end(), [&](const auto& check) { return matters(check.check, fail_on); }))
    return kNotJudged;
  return kDone;
}

}  // namespace gotrace::cli
