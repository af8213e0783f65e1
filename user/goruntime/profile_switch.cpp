#include "goruntime/profile_switch.h"

#include <fmt/format.h>

#include <utility>

#include "goruntime/goroutine_reader_list.h"

namespace gotrace::goruntime {
namespace {

constexpr const char* kWhat = "runtime.MemProfileRate";

}  // namespace

Result<std::unique_ptr<ProfileSwitch>> ProfileSwitch::turn_on(const Program& program, RecordSink& sink,
                                                              const std::function<void(const std::string&)>& announce) {
  const auto& target = program.target();
  const auto address = program.global("MemProfileRate");
  if (!address)
    return failure(fmt::format("--assist: pid {}: {} was not found: {}; nothing was written", target.pid(), kWhat,
                               program.why_missing("MemProfileRate")));
  const auto rate = target.memory().value<std::uint64_t>(*address);
  if (!rate)
    return failure(fmt::format("--assist: pid {}: {} can't be read; nothing was written", target.pid(), kWhat));
  if (*rate != 0) return std::unique_ptr<ProfileSwitch>();
  auto guard = process::RestoreGuard::start(target, *address, kRate, 0);
  if (!guard) return failure("--assist: nothing was written: " + guard.error().text);
  announce(fmt::format("--assist: writing 8 bytes to pid {}: {} at {:#x}: 0 -> {}; put back at the end", target.pid(),
                       kWhat, *address, kRate));
  if (const auto written = process::write_word(target, *address, 0, kRate); !written)
    return failure("--assist: " + written.error().text);
  sink.accept(TargetWrite{monotonic_ns(), kWhat, *address, 0, kRate, false});
  return std::unique_ptr<ProfileSwitch>(new ProfileSwitch(program, sink, *address, std::move(*guard)));
}

void ProfileSwitch::restore(std::uint64_t now_ns) {
  if (!std::exchange(on_, false)) return;
  const auto restored = process::write_word(program_.target(), address_, kRate, 0);
  sink_.accept(TargetWrite{now_ns, kWhat, address_, 0, kRate, restored.ok()});
  guard_.reset();
}

ProfileSwitch::~ProfileSwitch() {
  if (on_) (void)process::write_word(program_.target(), address_, kRate, 0);
}

}  // namespace gotrace::goruntime
