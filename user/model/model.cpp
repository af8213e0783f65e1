#include "model/model.h"

#include <algorithm>

namespace gotrace::model {

void Model::accept(const Record& record) {
  std::visit([this](const auto& one) { apply_one(one); }, record);
}

void Model::apply_one(const SessionStart& record) {
  session_ = record;
  saw(record.time_ns);
}

void Model::apply_one(const SessionEnd& record) {
  end_ = record;
  saw(record.time_ns);
}

void Model::apply_one(const SourceState& record) { sources_[record.name] = record; }

void Model::apply_one(const TargetWrite& record) {
  const auto same = [&record](const TargetWrite& write) {
    return write.what == record.what && write.address == record.address;
  };
  const auto found = std::ranges::find_if(writes_, same);
  if (found == writes_.end()) {
    writes_.push_back(record);
  } else {
    *found = record;
  }
  saw(record.time_ns);
}

void Model::forget_stack(std::uint64_t goid) {
  const auto slot = goroutines_.alive().find(goid);
  if (slot == GoroutineStore::kNone) return;
  const GoroutineState& known = goroutines_.alive().common(slot);
  resources_.remove_stack(known.created_at, known.stack_bytes);
}

void Model::apply_one(const GoroutineState& record) {
  forget_stack(record.goid);
  resources_.add_stack(record.created_at, record.stack_bytes);
  goroutines_.apply(record);
}

void Model::apply_one(const GoroutinesSeen& record) {
  const std::size_t count = std::min(record.goids.size(), record.stack_bytes.size());
  for (std::size_t i = 0; i < count; ++i) {
    const auto slot = goroutines_.alive().find(record.goids[i]);
    if (slot == GoroutineStore::kNone) continue;
    const GoroutineState& known = goroutines_.alive().common(slot);
    resources_.remove_stack(known.created_at, known.stack_bytes);
    resources_.add_stack(known.created_at, record.stack_bytes[i]);
  }
  goroutines_.apply(record);
}

void Model::apply_one(const GoroutinesGone& record) {
  for (const std::uint64_t goid : record.goids) forget_stack(goid);
  goroutines_.apply(record);
}

void Model::apply_one(const Snapshot& record) {
  resources_.close_stacks(record.time_ns);
  goroutines_.apply(record);
  saw(record.time_ns);
}

void Model::apply_one(const Birth& record) {
  ++births_;
  goroutines_.apply(record);
  saw(record.time_ns);
}

void Model::apply_one(const Park& record) {
  ++parks_;
  saw(record.time_ns);
}

void Model::apply_one(const End& record) {
  ++ends_;
  saw(record.time_ns);
}

void Model::apply_one(const HeapCounters& record) {
  heap_.apply(record);
  saw(record.time_ns);
}

void Model::apply_one(const ResourceLook& record) {
  resources_.apply(record, heap_.last());
  saw(record.time_ns);
}

void Model::apply_one(const RetentionLook& record) {
  retention_.apply(record);
  saw(record.time_ns);
}

void Model::apply_one(const Proof& record) {
  proof_ = record;
  saw(record.time_ns);
}

void Model::apply_one(const HeapRetention& record) {
  heap_retention_ = record;
  saw(record.time_ns);
}

void Model::apply_one(const MemoryFigures& record) {
  resources_.apply(record, heap_.last());
  memory_.push_back(record);
  saw(record.time_ns);
  if (memory_.size() <= kMostMemoryFigures) return;
  std::vector<MemoryFigures> kept;
  for (std::size_t i = 0; i < memory_.size(); i += 2) kept.push_back(memory_[i]);
  if (kept.back().time_ns != memory_.back().time_ns) kept.push_back(memory_.back());
  memory_ = std::move(kept);
}

}  // namespace gotrace::model
