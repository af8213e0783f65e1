#include "detect/normal_waits.h"

#include <algorithm>

namespace gotrace::detect {
namespace {

struct Rule {
  std::string_view function;     // some frame of the stack has this name; empty: any stack
  std::string_view wait_reason;  // the reason begins with this; empty: any
  std::string_view because;
};

// Function + wait reason, not names alone: net/http's readLoop in "select" is a body that nobody closed and so is
// absent.
constexpr Rule kRules[] = {
    {"", "IO wait", "waits for the network or a file"},
    {"", "sleep", "sleeps; a timer wakes it"},
    {"", "finalizer wait", "runs finalizers"},
    {"", "cleanup wait", "runs cleanups"},
    {"", "force gc", "runtime worker"},
    {"", "GC ", "runtime worker"},
    {"", "GOMAXPROCS updater", "runtime worker"},
    {"", "trace reader", "execution tracer"},
    {"", "timer goroutine", "runtime worker"},
    {"", "coroutine", "an iterator that its consumer resumes"},
    {"os/signal.signal_recv", "", "waits for signals"},
    {"os/signal.loop", "", "waits for signals"},
    {"os/signal.NotifyContext.func1", "", "waits for signals"},
    {"net/http.(*persistConn).writeLoop", "select", "client connection, idle or in use"},
    {"net/http.(*conn).serve", "IO wait", "server connection, idle"},
    {"net/http.(*Server).Serve", "IO wait", "accept loop"},
    {"database/sql.(*DB).connectionOpener", "select", "database/sql opener, one a pool"},
    {"database/sql.(*DB).connectionResetter", "select", "database/sql resetter, one a pool"},
    {"database/sql.(*DB).connectionCleaner", "select", "database/sql cleaner, one a pool"},
    {"runtime.ensureSigM.func1", "", "runtime worker"},
    {"runtime.main", "select (no cases)", "main waits for ever by intent"},
    {"main.main", "select (no cases)", "main waits for ever by intent"},
};

}  // namespace

std::string_view normal_because(const std::vector<Frame>& stack, std::string_view wait_reason, bool system) {
  if (system) return "runtime worker";
  for (const Rule& rule : kRules) {
    if (!rule.wait_reason.empty() && !wait_reason.starts_with(rule.wait_reason)) continue;
    if (rule.function.empty()) return rule.because;
    const bool there =
        std::any_of(stack.begin(), stack.end(), [&](const Frame& f) { return f.function == rule.function; });
    if (there) return rule.because;
  }
  return {};
}

bool ended_by_goroutine_only(std::string_view wait_reason) {
  constexpr std::string_view kReasons[] = {"chan receive", "chan send", "select", "semacquire", "sync."};
  return std::any_of(std::begin(kReasons), std::end(kReasons),
                     [&](std::string_view reason) { return wait_reason.starts_with(reason); });
}

}  // namespace gotrace::detect
