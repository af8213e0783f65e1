// gotrace-leak -p PID: look now. On a terminal a screen is repainted; the report comes at the end.
#include <algorithm>

#include <fmt/format.h>

#include "base/units.h"
#include "cli/commands.h"
#include "cli/live_options.h"
#include "cli/output.h"
#include "cli/signals.h"
#include "cli/target_choice.h"
#include "session/session.h"

namespace gotrace::cli {
namespace {

constexpr std::uint64_t kDefaultDuration = 10'000'000'000;
constexpr int kScreenLines = 22;

// Repaints the same lines of the terminal.
class Screen {
 public:
  void paint(const std::string& text) {
    std::string out = drawn_ > 0 ? fmt::format("\x1b[{}A\x1b[J", drawn_) : "";
    out += text;
    drawn_ = static_cast<int>(std::count(text.begin(), text.end(), '\n'));
    stdout_closed_ = stdout_closed_ || !write_stdout(out);
  }
  void clear() { paint(""); }
  [[nodiscard]] bool stdout_closed() const { return stdout_closed_; }

 private:
  int drawn_ = 0;
  bool stdout_closed_ = false;
};

}  // namespace

Result<session::LiveOptions> live_options(const Options& options) {
  const auto times = parse_times(options);
  if (!times) return times.error();
  const auto overhead = parse_share(options.max_overhead);
  if (!overhead) return Error{ErrorKind::usage, fmt::format("--max-overhead {}: {}", options.max_overhead, overhead.error().text)};
  const auto buffer = parse_size_bytes(options.buffer);
  if (!buffer) return Error{ErrorKind::usage, fmt::format("--buffer {}: {}", options.buffer, buffer.error().text)};
  const auto probes = parse_probes(options.probes);
  if (!probes) return probes.error();
  if (const auto fail_on = check_fail_on(options.fail_on); !fail_on.ok()) return fail_on.error();
  const auto pid = choose_target(options);
  if (!pid) return pid.error();
  session::LiveOptions live;
  live.pid = *pid;
  live.duration_ns = times->duration_ns;
  live.interval_ns = times->interval_ns;
  live.stuck_after_ns = times->stuck_after_ns.value_or(live.stuck_after_ns);
  live.max_overhead = *overhead;
  live.max_overhead_text = options.max_overhead;
  live.buffer_bytes = *buffer;
  live.probes = *probes;
  live.replace = options.force;
  return live;
}

void add_live(CLI::App& app, Options& options) {
  add_target_options(app, options);
  add_look_options(app, options);
  add_report_options(app, options);
  app.add_option("--record", options.record, "Keep the trace of this look")->type_name("FILE");
}

int run_live(const Options& options) {
  auto live = live_options(options);
  if (!live) {
    print_error(live.error());
    return exit_code(live.error().kind);
  }
  const bool screen_wanted = stdout_is_terminal() && options.format.empty() && options.output.empty();
  if (options.duration.empty() && !screen_wanted) live->duration_ns = kDefaultDuration;
  live->record_path = options.record;
  Signals signals(screen_wanted);
  Screen screen;
  const auto how = report_options(options, screen_wanted);
  session::LiveCallbacks callbacks;
  callbacks.warn = [](const std::string& line) { print_note("warning: " + line); };
  if (screen_wanted)
    callbacks.on_interval = [&](const detect::Analysis& now) { screen.paint(report::render_screen(now, how, kScreenLines)); };
  int early = 0;
  callbacks.on_report_request = [&](const detect::Analysis& now) { early = publish(now, options); };
  callbacks.wait = [&](std::uint64_t wait_ns) {
    return screen.stdout_closed() || early == 141 ? session::Request::stop : signals.wait(wait_ns);
  };
  const auto analysis = session::run_live(*live, callbacks);
  if (!analysis) {
    print_error(analysis.error());
    return exit_code(analysis.error().kind);
  }
  if (screen_wanted) screen.clear();
  const int published = publish(*analysis, options);
  if (!options.record.empty()) print_note(fmt::format("wrote {}", options.record));
  return published != 0 ? published : judge_fail_on(*analysis, options.fail_on);
}

}  // namespace gotrace::cli
