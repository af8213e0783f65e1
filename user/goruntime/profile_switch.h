// ProfileSwitch: turns the target's own heap sampler on (--assist), in programs whose linker or author left it off, by
// writing runtime.MemProfileRate; tried on Go 1.19, 1.24 and 1.27 (runtime/malloc.go reads it at each sampling point).
// 524288 is a normal program's value, so that a tracer that dies leaves a harmless state.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "goruntime/program.h"
#include "process/memory_write.h"
#include "records/record.h"

namespace gotrace::goruntime {

class ProfileSwitch {
 public:
  static constexpr std::uint64_t kRate = 524288;  // bytes a sample; runtime/mprof.go, the default of MemProfileRate

  // Says by `announce` what it is about to write, writes it and sends a TargetWrite. Null when the profile is on
  // already: nothing was written. `program` and `sink` must outlive it.
  [[nodiscard]] static Result<std::unique_ptr<ProfileSwitch>> turn_on(
      const Program& program, RecordSink& sink, const std::function<void(const std::string&)>& announce);
  ProfileSwitch(const ProfileSwitch&) = delete;
  ProfileSwitch& operator=(const ProfileSwitch&) = delete;
  ~ProfileSwitch();  // puts the old value back if restore() was not called

  // Puts the old value back, if what is there is still ours, and sends the TargetWrite again with what came of it.
  void restore(std::uint64_t now_ns);

 private:
  ProfileSwitch(const Program& program, RecordSink& sink, process::Address address,
                std::unique_ptr<process::RestoreGuard> guard)
      : program_(program), sink_(sink), address_(address), guard_(std::move(guard)) {}

  const Program& program_;
  RecordSink& sink_;
  process::Address address_;
  std::unique_ptr<process::RestoreGuard> guard_;
  bool on_ = true;
};

}  // namespace gotrace::goruntime
