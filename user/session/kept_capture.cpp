#include "session/kept_capture.h"

#include <elf.h>
#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>
#include <utility>

#include "base/unique_fd.h"
#include "proof/core_capture.h"
#include "proof/snapshot_blocks.h"
#include "proof/snapshot_file.h"

namespace gotrace::session {

Result<std::uint64_t> keep_capture(PendingFile& file, const goruntime::Program& program,
                                   const proof::Captured* captured, const std::vector<process::MemoryRange>& beyond) {
  if (captured == nullptr)
    return failure(fmt::format("{}: no snapshot was taken: the process was not stopped, as nothing can be proved of it",
                               file.path()));
  if (auto written = proof::write_snapshot(file, program, *captured, beyond); !written) return written.error();
  if (auto placed = file.finish(); !placed) return placed.error();
  return file.bytes_written();
}

Result<proof::Captured> open_capture(const ProveFileOptions& options) {
  const std::string& path = options.path;
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 4> magic{};
  if (!fd || ::pread(fd.get(), magic.data(), magic.size(), 0) < 0)
    return failure(fmt::format("{}: can't read it: {}", path, system_text(errno)));
  const std::string_view begins(magic.data(), magic.size());
  if (begins == "\x89GTL")
    return failure(fmt::format("{}: a recording, which holds no memory to judge; use gotrace-leak report", path));
  if (begins == ELFMAG) return proof::capture_core(std::move(fd), path, options.executable);
  if (!options.executable.empty()) return failure(fmt::format("{}: no core; --exe is for cores", path));
  if (begins != proof::kSnapshotMagic)
    return failure(fmt::format("{}: not a snapshot (as prove --snapshot FILE makes one), nor a core", path));
  return proof::read_snapshot(fd.get(), path);
}

SourceState process_was_not_asked(const proof::Captured& captured) {
  SourceState state;
  state.time_ns = captured.stopped_ns;
  state.name = "process";
  state.status = SourceStatus::off;
  state.reason = "its memory was read from a file";
  if (captured.wall_ns > 0)
    state.reason += fmt::format(", of {:%Y-%m-%d %H:%M:%S} UTC",
                                fmt::gmtime(static_cast<std::time_t>(captured.wall_ns / 1'000'000'000)));
  return state;
}

}  // namespace gotrace::session
