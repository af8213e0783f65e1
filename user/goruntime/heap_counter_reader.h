// The allocator's and the garbage collector's own numbers at one look.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "goruntime/readers.h"

namespace gotrace::goruntime {

class HeapCounterReader final : public Reader {
 public:
  HeapCounterReader(const Program& program, RecordSink& sink);
  Look look(std::uint64_t now_ns) override;

 private:
  struct Raw {
    std::vector<std::byte> stats;       // runtime.memstats; empty: not found
    std::vector<std::byte> controller;  // runtime.gcController; empty: not found
    std::uint32_t cycles = 0;           // work.cycles: begun
    std::uint32_t sweepgen = 0;
  };
  [[nodiscard]] std::string why_unusable() const;
  [[nodiscard]] std::string validate();
  [[nodiscard]] std::optional<Raw> read_raw();
  [[nodiscard]] std::uint32_t completed(const Raw& raw) const;
  void find_sweeper();
  [[nodiscard]] bool is_swept();
  void add_by_class(Bytes stats, HeapCounters& into) const;
  [[nodiscard]] HeapCounters decode(const Raw& raw) const;
  [[nodiscard]] bool went_back(const HeapCounters& a, const HeapCounters& b) const;

  const Program& program_;
  const Layout& layout_;
  RecordSink& sink_;
  process::RemoteMemory& memory_;
  bool usable_ = false;
  std::optional<process::Address> sweeper_;  // the g of runtime.bgsweep
  std::optional<HeapCounters> last_;
};

}  // namespace gotrace::goruntime
