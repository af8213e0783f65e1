#include "detect/related.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "detect/resources.h"

namespace gotrace::detect {
namespace {

bool share_any(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  return std::any_of(a.begin(), a.end(), [&](const auto& id) { return std::find(b.begin(), b.end(), id) != b.end(); });
}

bool grows_like(const Finding& a, const Finding& b) {
  return a.growth && b.growth && a.trend == Trend::growing && b.trend == Trend::growing &&
         same_growth(*a.growth, *b.growth);
}

// One file or both ends of a pipe; 0: the rates do not agree.
int files_for_each(const Finding& cause, const Finding& files) {
  if (grows_like(cause, files)) return 1;
  if (!files.growth || !cause.growth) return 0;
  const Rate half{files.growth->value / 2, files.growth->low / 2, files.growth->high / 2};
  return cause.trend == Trend::growing && same_growth(half, *cause.growth) ? 2 : 0;
}

// Leaked goroutines or threads, or deferred calls that wait for the end of an endless loop, which each hold a file.
bool explains_files(const Finding& cause, const Finding& files) {
  return files.kind == "fd-leak" &&
         (cause.kind == "goroutine-leak" || cause.kind == "deferred-in-loop" || cause.kind == "thread-leak") &&
         files_for_each(cause, files) != 0;
}

// A thread that is stuck, or bound to a goroutine that never ends, is that goroutine.
bool explains_goroutines(const Finding& cause, const Finding& goroutines) {
  return cause.kind == "thread-leak" && goroutines.kind == "goroutine-leak" &&
         share_any(cause.group_ids, goroutines.group_ids);
}

// A library's function that starts two goroutines for each of what it makes: a connection's reader and its writer.
bool explains_pair(const Finding& cause, const Finding& other) {
  return cause.kind == "goroutine-leak" && other.kind == "goroutine-leak" && cause.where && other.where &&
         cause.where->standard_library && cause.where->function == other.where->function &&
         cause.where->line < other.where->line && grows_like(cause, other);
}

bool explains_call_site(const Finding& cause, const Finding& site) {
  return cause.kind != "growing-call-site" && site.kind == "growing-call-site" &&
         share_any(cause.site_ids, site.site_ids);
}

// The leak of goroutines that wait for a ticker is theirs.
bool explains_ticker(const Finding& cause, const Finding& ticker) {
  return cause.kind == "goroutine-leak" && ticker.kind == "ticker-leak" && ticker.site_ids.empty() &&
         grows_like(cause, ticker);
}

void take_in(Finding& cause, const Finding& effect) {
  if (effect.kind == "fd-leak") {
    const bool one = files_for_each(cause, effect) == 1;
    cause.evidence.push_back(
        {"open-files-grow",
         fmt::format("Open files grow {}, {:.1f} a second: each seems to hold {}.",
                     one ? "at the same rate" : "twice as fast", effect.growth->value, one ? "one" : "two")});
    for (const Evidence& evidence : effect.evidence)
      if (evidence.code == "close-wait" || evidence.code == "limit") cause.evidence.push_back(evidence);
  }
  if (effect.kind == "goroutine-leak") {
    if (cause.kind == effect.kind)
      cause.evidence.push_back(
          {"pair", fmt::format("{} starts another one with each of them, stuck in {}.", cause.where->function,
                               effect.blocked_at ? effect.blocked_at->function : "?")});
    for (const std::string& id : effect.group_ids)
      if (std::find(cause.group_ids.begin(), cause.group_ids.end(), id) == cause.group_ids.end())
        cause.group_ids.push_back(id);
    cause.verdict = std::max(cause.verdict, effect.verdict);
  }
}

}  // namespace

void relate_findings(std::vector<Finding>& findings) {
  for (const auto& explains :
       {explains_goroutines, explains_pair, explains_files, explains_ticker, explains_call_site}) {
    std::vector<bool> explained(findings.size());
    for (std::size_t effect = 0; effect < findings.size(); ++effect) {
      for (std::size_t cause = 0; cause < findings.size() && !explained[effect]; ++cause) {
        if (cause == effect || explained[cause] || !explains(findings[cause], findings[effect])) continue;
        take_in(findings[cause], findings[effect]);
        explained[effect] = true;
      }
    }
    std::vector<Finding> rest;
    for (std::size_t i = 0; i < findings.size(); ++i)
      if (!explained[i]) rest.push_back(std::move(findings[i]));
    findings = std::move(rest);
  }
}

}  // namespace gotrace::detect
