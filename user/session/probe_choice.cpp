#include "session/probe_choice.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/units.h"
#include "session/session.h"

namespace gotrace::session {

namespace {

using Options = probe::ProbeOptions;

constexpr std::pair<std::string_view, bool Options::*> kNames[] = {
    {"births", &Options::births}, {"newproc", &Options::births}, {"parks", &Options::parks},
    {"gopark", &Options::parks},  {"ends", &Options::ends},      {"goexit", &Options::ends},
};

// Who names allocations wants every single one; where that would cost too much, the spans that they come from.
bool names_allocations(std::string_view name) { return name == "allocs" || name == "mallocgc"; }

Error unknown_probe(std::string_view name) {
  return {ErrorKind::usage, "--probes: '" + escape_for_terminal(name, true) +
                                "' is not known; write auto, none, or a list of births, parks, ends, allocs"};
}

}  // namespace

Result<std::optional<probe::ProbeOptions>> parse_probes(std::string_view text) {
  if (text == "none") return std::optional<probe::ProbeOptions>();
  probe::ProbeOptions options;
  if (text == "auto") return std::optional(options);
  options.births = options.parks = options.ends = options.allocations = options.every_allocation = false;
  while (true) {
    const auto comma = text.find(',');
    const auto name = text.substr(0, comma);
    const auto* known = std::ranges::find(kNames, name, [](const auto& entry) { return entry.first; });
    if (names_allocations(name)) {
      options.allocations = options.every_allocation = options.every_allocation_in_windows = true;
    } else if (known != std::end(kNames)) {
      options.*known->second = true;
    } else {
      return unknown_probe(name);
    }
    if (comma == std::string_view::npos) return std::optional(options);
    text.remove_prefix(comma + 1);
  }
}

Status check_probe_names(std::string_view text) {
  const auto parsed = parse_probes(text);
  return parsed ? success() : Status(parsed.error());
}

}  // namespace gotrace::session
