// One look at everything else that a process can run out of: files, threads, timers, memory outside the heap.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "goruntime/readers.h"
#include "process/mapping_parts.h"
#include "process/open_files.h"
#include "records/record.h"

namespace gotrace::session {

class ResourceLooks {
 public:
  // All arguments must outlive this.
  ResourceLooks(const goruntime::Program& program, goruntime::Symbolizer& symbolizer, RecordSink& sink);

  void look(std::uint64_t now_ns);  // CLOCK_MONOTONIC

 private:
  RecordSink& sink_;
  process::OpenFiles open_files_;
  process::MappingParts mappings_;
  std::vector<std::unique_ptr<goruntime::Reader>> readers_;
};

}  // namespace gotrace::session
