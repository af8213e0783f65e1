// --probes, understood.
#pragma once

#include <optional>
#include <string_view>

#include "base/result.h"
#include "probe/probe_session.h"

namespace gotrace::session {

// nullopt: none wanted. Budget and buffer are left at their defaults.
[[nodiscard]] Result<std::optional<probe::ProbeOptions>> parse_probes(std::string_view text);

}  // namespace gotrace::session
