// Trace: records <-> file (".gtl"). Format: include/gotrace/trace.proto and docs/trace-format.md.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"
#include "records/record.h"

namespace gotrace::trace {

// Writes records; complete chunks are on disk at the latest `flush_interval` records or about a second of record time
// after they came. A write error (disk full) stops writing, keeps what was written readable, and is told by status().
class Writer : public RecordSink {
 public:
  // `path` "-": stdout. Creates the file 0600, never through a link, owned by SUDO_UID/SUDO_GID where set. Fails with
  // "... exists; use --force to replace it" unless `replace`.
  [[nodiscard]] static Result<std::unique_ptr<Writer>> create(const std::string& path, bool replace);
  // The same onto a descriptor that is open for writing (a pipe, ...); `name` is for error texts.
  [[nodiscard]] static Result<std::unique_ptr<Writer>> create_on(UniqueFd fd, std::string name);
  // Puts what came so far on disk now, as before a pause; every call costs a chunk.
  virtual Status flush() = 0;
  // Ends the file properly: the end record. Without it a reader says "trace ends early".
  virtual Status finish() = 0;
  [[nodiscard]] virtual Status status() const = 0;  // the first write error
  [[nodiscard]] virtual std::uint64_t bytes_written() const = 0;
  [[nodiscard]] virtual std::uint64_t records_written() const = 0;
};

struct ReadSummary {
  bool complete = false;         // the end record was there
  std::uint64_t bytes_read = 0;  // up to the last complete chunk
  std::uint64_t records = 0;
  std::uint64_t unknown_records = 0;   // of types or enum values that this version does not know
  std::uint64_t unknown_fields = 0;    // of records that were delivered without them
  std::uint64_t lost_references = 0;   // ids whose definition was lost with a chunk; delivered as `none`
  std::uint64_t first_to_last_ns = 0;  // from the earliest to the latest time of the delivered records
  std::uint64_t damaged_chunks = 0;    // checksum wrong: left out
  std::string trouble;                 // one line when not complete: "trace ends early at 12.4 MiB (recorder killed?)"
};
// Reads all records of `path` ("-": stdin) into `sink`, in order. An Error only when nothing can be read: not a trace
// (wrong magic), a newer schema, no such file. Damage further on is in the summary.
[[nodiscard]] Result<ReadSummary> read(const std::string& path, RecordSink& sink);
// The same from memory; for tests and fuzzers.
[[nodiscard]] Result<ReadSummary> read_bytes(std::string_view bytes, const std::string& name, RecordSink& sink);

}  // namespace gotrace::trace
