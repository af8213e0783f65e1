// Model: records, turned into tables. Fed by a live session or a trace alike; asks nobody else, the clock included.
// Memory is bounded: what is left out is counted.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "model/goroutine_table.h"
#include "model/heap_table.h"
#include "model/resource_table.h"
#include "model/retention_table.h"
#include "model/symbols.h"
#include "records/record.h"

namespace gotrace::model {

class Model final : public RecordSink {
 public:
  static constexpr std::size_t kMostMemoryFigures = 1024;

  Model() = default;
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  void accept(const Record& record) override;
  void apply(const Record& record) { accept(record); }

  [[nodiscard]] const Symbols& symbols() const { return symbols_; }
  [[nodiscard]] const GoroutineTable& goroutines() const { return goroutines_; }
  [[nodiscard]] const HeapTable& heap() const { return heap_; }
  [[nodiscard]] const std::optional<SessionStart>& session() const { return session_; }
  [[nodiscard]] const std::optional<SessionEnd>& end() const { return end_; }
  [[nodiscard]] const std::optional<TargetInfo>& target() const { return target_; }
  [[nodiscard]] const std::map<std::string, SourceState>& sources() const { return sources_; }
  [[nodiscard]] const std::vector<Gap>& gaps() const { return gaps_; }
  [[nodiscard]] const std::vector<TargetWrite>& writes() const { return writes_; }  // as they stand now
  // The heap profile was turned on by us: it says nothing of what was allocated before.
  [[nodiscard]] bool profile_is_ours() const { return !writes_.empty(); }
  [[nodiscard]] const std::map<std::string, std::uint64_t>& losses() const { return losses_; }
  [[nodiscard]] const std::map<std::string, ProbeState>& probes() const { return probes_; }  // by symbol
  [[nodiscard]] const std::optional<Overhead>& overhead() const { return overhead_; }
  [[nodiscard]] const std::vector<MemoryFigures>& memory() const { return memory_; }  // thinned out when many
  [[nodiscard]] const ResourceTable& resources() const { return resources_; }
  [[nodiscard]] const RetentionTable& retention() const { return retention_; }
  [[nodiscard]] const std::optional<Proof>& proof() const { return proof_; }                            // the last one
  [[nodiscard]] const std::optional<HeapRetention>& heap_retention() const { return heap_retention_; }  // likewise
  [[nodiscard]] const std::vector<WaitObjectHolders>& holders() const { return holders_; }
  [[nodiscard]] std::uint64_t parks() const { return parks_; }
  [[nodiscard]] std::uint64_t births() const { return births_; }
  [[nodiscard]] std::uint64_t ends() const { return ends_; }
  [[nodiscard]] std::uint64_t latest_ns() const { return latest_ns_; }  // newest time in any record

 private:
  void apply_one(const LocationRecord& record) { symbols_.define(record); }
  void apply_one(const StackRecord& record) { symbols_.define(record); }
  void apply_one(const SessionStart& record);
  void apply_one(const SessionEnd& record);
  void apply_one(const TargetInfo& record) { target_ = record; }
  void apply_one(const SourceState& record);
  void apply_one(const Gap& record) { gaps_.push_back(record); }
  void apply_one(const TargetWrite& record);
  void apply_one(const Loss& record) { losses_[record.cause] = record.count; }
  void apply_one(const GoroutineState& record);
  void apply_one(const GoroutinesSeen& record);
  void apply_one(const GoroutinesGone& record);
  void apply_one(const Snapshot& record);
  void apply_one(const WaitObjectHolders& record) { holders_.push_back(record); }
  void apply_one(const Birth& record);
  void apply_one(const Park& record);
  void apply_one(const End& record);
  void apply_one(const AllocationSample& record) { heap_.apply(record); }
  void apply_one(const AllocationFates& record) { heap_.apply(record); }
  void apply_one(const ProbeState& record) { probes_[record.symbol] = record; }
  void apply_one(const Overhead& record) { overhead_ = record; }
  void apply_one(const HeapBucket& record) { heap_.apply(record); }
  void apply_one(const HeapProfile& record) { heap_.apply(record); }
  void apply_one(const HeapCounters& record);
  void apply_one(const MemoryFigures& record);
  void apply_one(const ResourceLook& record);
  void apply_one(const RetentionLook& record);
  void apply_one(const Proof& record);
  void apply_one(const HeapRetention& record);
  void forget_stack(std::uint64_t goid);
  void saw(std::uint64_t time_ns) { latest_ns_ = time_ns > latest_ns_ ? time_ns : latest_ns_; }

  Symbols symbols_;
  GoroutineTable goroutines_{symbols_};
  HeapTable heap_{symbols_};
  std::optional<SessionStart> session_;
  std::optional<SessionEnd> end_;
  std::optional<TargetInfo> target_;
  std::map<std::string, SourceState> sources_;
  std::vector<Gap> gaps_;
  std::vector<TargetWrite> writes_;
  std::map<std::string, std::uint64_t> losses_;
  std::map<std::string, ProbeState> probes_;
  std::optional<Overhead> overhead_;
  std::vector<MemoryFigures> memory_;
  ResourceTable resources_;
  RetentionTable retention_;
  std::optional<Proof> proof_;
  std::optional<HeapRetention> heap_retention_;
  std::vector<WaitObjectHolders> holders_;
  std::uint64_t parks_ = 0, births_ = 0, ends_ = 0;
  std::uint64_t latest_ns_ = 0;
};

}  // namespace gotrace::model
