#include "detect/goroutine_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "detect/frames.h"

namespace gotrace::detect {
namespace {

// What a library's goroutine waits for is what its user has forgotten.
struct LibraryWait {
  std::string_view function;  // begins so; anywhere on the stack, or the one that started it
  std::string_view advice;
};
constexpr LibraryWait kLibraryWaits[] = {
    {"net/http.(*persistConn).", "close each response's body, on every path: defer resp.Body.Close()"},
    {"net/http.(*Transport).dialConn", "close each response's body, on every path: defer resp.Body.Close()"},
    {"os/exec.(*Cmd).", "call cmd.Wait() after each cmd.Start()"},
    {"database/sql.(*DB).conn", "give each connection back on every path: rows.Close(), conn.Close(), tx.Rollback()"},
    {"database/sql.(*Rows).awaitDone", "close the rows on every path: defer rows.Close()"},
    {"database/sql.(*Tx).awaitDone", "end the transaction on every path: defer tx.Rollback()"},
    {"context.propagateCancel", "call the context's cancel on every path: defer cancel()"},
    {"context.(*cancelCtx).propagateCancel", "call the context's cancel on every path: defer cancel()"},
};

std::string_view library_advice(const GroupJudgement& judged) {
  const auto of = [](const Frame& frame) -> std::string_view {
    if (!frame.standard_library) return {};
    const auto* found = std::ranges::find_if(
        kLibraryWaits, [&frame](const LibraryWait& wait) { return frame.function.starts_with(wait.function); });
    return found == std::end(kLibraryWaits) ? std::string_view() : found->advice;
  };
  for (const Frame& frame : judged.group.stack)
    if (const auto advice = of(frame); !advice.empty()) return advice;
  return judged.group.created_by ? of(*judged.group.created_by) : std::string_view();
}

}  // namespace

std::string advice_for(std::string_view wait_reason, const GroupJudgement& group) {
  if (const auto advice = library_advice(group); !advice.empty()) return std::string(advice);
  if (wait_reason.starts_with("chan send"))
    return "give the channel room for one: make(chan T, 1); or select on the send and ctx.Done()";
  if (wait_reason.starts_with("chan receive"))
    return group.max_capacity == 0 ? "close the channel, or send to it, on every path; or select on it and ctx.Done()"
                                   : "close the channel when its last sender is done, so that the range loop ends";
  if (wait_reason.starts_with("select"))
    return "add a case that ends the wait: <-ctx.Done(), and cancel the context on every path";
  if (wait_reason.starts_with("sync.Mutex") || wait_reason.starts_with("sync.RWMutex"))
    return "unlock on every path: defer mu.Unlock() right after Lock()";
  if (wait_reason.starts_with("sync.WaitGroup") || wait_reason.starts_with("semacquire"))
    return "call Done (or Unlock) on every path, by defer";
  if (wait_reason.starts_with("sync.Cond")) return "Signal or Broadcast after each change of what is waited for";
  if (wait_reason.starts_with("coroutine"))
    return "call the stop function that iter.Pull returns on every path, by defer";
  if (wait_reason.starts_with("IO wait"))
    return "close the connection or the response body, and set deadlines and IdleTimeout";
  return "end it when its work is done: return on ctx.Done(), and stop its ticker";
}

void add_object_evidence(const GroupJudgement& judged, std::vector<Evidence>& evidence) {
  const auto& group = judged.group;
  const bool sends = group.wait_reason.starts_with("chan send");
  const bool receives = group.wait_reason.starts_with("chan receive");
  if (judged.with_object == group.count && judged.distinct_objects == group.count && (sends || receives)) {
    evidence.push_back({"own-channel", fmt::format("Each {} a channel of its own (cap {}), so this is no worker pool.",
                                                   sends ? "sends on" : "receives from", judged.max_capacity)});
  } else if (judged.with_object > 0 && judged.distinct_objects * 10 < judged.with_object) {
    evidence.push_back({"shared-object", fmt::format("They wait on {} shared object{}.", judged.distinct_objects,
                                                     judged.distinct_objects == 1 ? "" : "s")});
  }
}

void place_finding(const GroupJudgement& judged, const SiteJudgement* site, Finding& finding) {
  finding.stack = judged.group.stack;
  finding.blocked_at = judged.group.blocked_at;
  finding.wait_reason = judged.group.wait_reason;
  finding.created_by = judged.group.created_by;
  finding.where = judged.group.created_by;
  if (site != nullptr && site->site.where) finding.where = site->site.where;
  finding.since_seconds_at_least = judged.group.oldest_seconds_at_least;
  // Where an iterator was made is not known: its own function says more than the library's.
  if (!finding.where || !finding.where->function.starts_with("iter.Pull")) return;
  const auto own = std::ranges::find(finding.stack.rbegin(), finding.stack.rend(), false, &Frame::standard_library);
  if (own != finding.stack.rend()) finding.where = *own;
}

void name_goroutine_finding(const model::Model& model, Finding& finding) {
  std::vector<Frame> frames = finding.stack;
  if (finding.created_by) frames.push_back(*finding.created_by);
  finding.id = stable_id("gl", finding.kind, finding.wait_reason, frames);
  finding.exact_id =
      exact_id("gl", finding.kind, finding.wait_reason, frames, model.target() ? model.target()->build_id : "");
}

}  // namespace gotrace::detect
