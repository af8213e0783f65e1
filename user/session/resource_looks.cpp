#include "session/resource_looks.h"

#include "goruntime/heap_arenas.h"
#include "goruntime/resource_readers.h"

namespace gotrace::session {

ResourceLooks::ResourceLooks(const goruntime::Program& program, goruntime::Symbolizer& symbolizer, RecordSink& sink)
    : sink_(sink),
      open_files_(program.target().pid()),
      mappings_(program.target().pid(),
                [&program](std::uint64_t address) { return goruntime::in_heap_arena(program, address); }) {
  readers_.push_back(goruntime::make_thread_reader(program, sink));
  readers_.push_back(goruntime::make_timer_reader(program, symbolizer, sink));
  readers_.push_back(goruntime::make_defer_reader(program, symbolizer, sink));
  readers_.push_back(goruntime::make_finalizer_reader(program, sink));
  readers_.push_back(goruntime::make_finalizer_cycle_reader(program, symbolizer, sink));
}

void ResourceLooks::look(std::uint64_t now_ns) {
  for (const ResourceLook& look : open_files_.look(now_ns)) sink_.accept(look);
  if (const auto look = mappings_.look(now_ns)) sink_.accept(*look);
  for (const auto& reader : readers_) static_cast<void>(reader->look(now_ns));
}

}  // namespace gotrace::session
