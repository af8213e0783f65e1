// PreCopy: a capture most of which is copied while the target runs, where the kernel notes which pages are written to
// (process/soft_dirty.h): the notes are cleared, all is copied, the target is stopped, what was written to meanwhile is
// copied once more. Before it goes on, a part of what was not is compared with the copy.
#pragma once

#include <random>
#include <vector>

#include "process/page_changes.h"
#include "proof/capture.h"
#include "proof/foreign_memory.h"

namespace gotrace::proof {

class PreCopy {
 public:
  // Whether this kernel, and our rights, allow it.
  [[nodiscard]] static bool possible(const goruntime::Program& program);

  PreCopy(const goruntime::Program& program, const CaptureLimits& limits) : program_(program), limits_(limits) {}

  // Clears and copies, and foresees what stopping it would take now. The target runs on.
  [[nodiscard]] Result<PausePrediction> copy_running();
  // REQUIRES that copy_running() succeeded.
  [[nodiscard]] Result<Captured> copy_rest();

 private:
  [[nodiscard]] Result<PausePrediction> try_to_copy();
  [[nodiscard]] std::uint64_t foresee_clearing() const;
  [[nodiscard]] Status clear();
  [[nodiscard]] Status set_up(Foreign foreign, const std::vector<process::MemoryRange>& heap);
  [[nodiscard]] Status copy_running(const std::vector<process::MemoryRange>& ranges);
  [[nodiscard]] Result<PausePrediction> predict(std::size_t spans);
  void plan_check(const process::PageChanges& changes, std::uint64_t without_ns, double speed);
  [[nodiscard]] Status copy_stopped();
  [[nodiscard]] Status add_again(const std::vector<process::MemoryRange>& ranges);
  [[nodiscard]] Status copy_changed(const std::vector<process::MemoryRange>& of,
                                    const std::vector<process::MemoryRange>& beside,
                                    std::vector<process::MemoryRange>& held);
  [[nodiscard]] Status check();
  [[nodiscard]] Status check(const char* what, const std::vector<process::MemoryRange>& held, double share);
  [[nodiscard]] Error unreliable(const std::string& what) const;

  const goruntime::Program& program_;
  const CaptureLimits& limits_;
  std::mt19937_64 random_{std::random_device{}()};
  std::vector<process::MemoryRange> structures_;  // that a proof is made of
  std::uint64_t clear_ns_ = 0;                    // of all attempts
  Foreign foreign_;
  process::PageWords words_;             // from before the pages were copied
  std::uint64_t structures_budget_ = 0;  // bytes of them that are compared
  MemoryNeed need_;
  std::vector<process::MemoryRange> held_foreign_;
  std::vector<process::MemoryRange> held_heap_;
  std::uint64_t deadline_ns_ = 0;
  Captured captured_;
};

}  // namespace gotrace::proof
