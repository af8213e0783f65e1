#include "session/probe_choice.h"

#include "base/units.h"
#include "session/session.h"

namespace gotrace::session {

namespace {

struct ProbeName {
  std::string_view name;
  bool probe::ProbeOptions::*field;
  bool probe::ProbeOptions::*too = nullptr;
};
// Who names allocations wants every single one; where that would cost too much, the spans that they come from.

constexpr ProbeName kNames[] = {
    {"births", &probe::ProbeOptions::births},
    {"newproc", &probe::ProbeOptions::births},
    {"parks", &probe::ProbeOptions::parks},
    {"gopark", &probe::ProbeOptions::parks},
    {"ends", &probe::ProbeOptions::ends},
    {"goexit", &probe::ProbeOptions::ends},
    {"allocs", &probe::ProbeOptions::allocations, &probe::ProbeOptions::every_allocation},
    {"mallocgc", &probe::ProbeOptions::allocations, &probe::ProbeOptions::every_allocation},
};

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
    bool found = false;
    for (const auto& known : kNames) {
      if (known.name != name) continue;
      options.*known.field = true;
      if (known.too != nullptr) options.*known.too = true;
      found = true;
    }
    if (!found) return unknown_probe(name);
    if (comma == std::string_view::npos) return std::optional(options);
    text.remove_prefix(comma + 1);
  }
}

Status check_probe_names(std::string_view text) {
  const auto parsed = parse_probes(text);
  return parsed ? success() : Status(parsed.error());
}

}  // namespace gotrace::session
