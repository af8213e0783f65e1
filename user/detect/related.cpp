#include "detect/related.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
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

// One file, or both ends of a pipe. A goroutine that waits for a connection may hold more: the other end when that is
// in this process too, and the pipe through which io.Copy splices (internal/poll/splice_linux.go). 0: the rates do not
// agree.
int files_for_each(const Finding& cause, const Finding& files) {
  constexpr int kPipe = 2;
  constexpr int kConnection = 4;
  if (!files.growth || !cause.growth || cause.trend != Trend::growing || files.trend != Trend::growing) return 0;
  if (cause.growth->value <= 0) return 0;
  const int most = cause.wait_reason == "IO wait" ? kConnection : kPipe;
  const int each = static_cast<int>(std::lround(std::min(files.growth->value / cause.growth->value, most + 1.0)));
  if (each < 1 || each > most) return 0;
  const Rate share{files.growth->value / each, files.growth->low / each, files.growth->high / each};
  return same_growth(share, *cause.growth) ? each : 0;
}

// Leaked goroutines or threads, or deferred calls that wait for the end of an endless loop, which each hold a file.
bool explains_files(const Finding& cause, const Finding& files) {
  return files.kind == "fd-leak" &&
         (cause.kind == "goroutine-leak" || cause.kind == "deferred-in-loop" || cause.kind == "thread-leak") &&
         files_for_each(cause, files) != 0;
}

// A thread that is stuck, or bound to a goroutine that never ends, is that goroutine. Goroutines that wait for a
// connection which deferred calls hold back are a consequence of these.
bool explains_goroutines(const Finding& cause, const Finding& goroutines) {
  return (cause.kind == "thread-leak" || cause.kind == "deferred-in-loop") && goroutines.kind == "goroutine-leak" &&
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
    const int each = files_for_each(cause, effect);
    cause.evidence.push_back(
        {"open-files-grow", fmt::format("Open files grow {}, {:.1f} a second: each seems to hold {}.",
                                        each == 1   ? std::string("at the same rate")
                                        : each == 2 ? std::string("twice as fast")
                                                    : fmt::format("{} times as fast", each),
                                        effect.growth->value,
                                        each == 1   ? std::string("one")
                                        : each == 2 ? std::string("two")
                                                    : std::to_string(each))});
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
