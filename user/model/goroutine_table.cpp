#include "model/goroutine_table.h"

#include <fmt/format.h>

#include <algorithm>

namespace gotrace::model {

std::size_t GoroutineTable::site_of(LocationId created_at) const {
  const auto found = site_by_location_.find(static_cast<std::uint32_t>(created_at));
  return found == site_by_location_.end() ? npos : found->second;
}

// The same go statement inlined into several callers has several program counters and is one site all the same.
std::size_t GoroutineTable::intern_site(LocationId created_at) {
  const auto key = static_cast<std::uint32_t>(created_at);
  if (const auto found = site_by_location_.find(key); found != site_by_location_.end()) return found->second;
  const auto& frames = symbols_.frames(created_at);
  const std::string line =
      frames.empty() ? fmt::format("#{}", key)
                     : fmt::format("{}\n{}\n{}", frames.front().function, frames.front().file, frames.front().line);
  const auto [entry, inserted] = site_by_line_.try_emplace(line, sites_.size());
  if (inserted) {
    Site site;
    site.created_at = created_at;
    site.first_block = blocks_.empty() ? 0 : static_cast<std::uint32_t>(blocks_.size() - 1);
    sites_.push_back(std::move(site));
  }
  sites_[entry->second].locations.push_back(created_at);
  site_by_location_.emplace(key, entry->second);
  return entry->second;
}

BlockCount& GoroutineTable::current(Site& site) {
  const std::size_t wanted = blocks_.size() - site.first_block;
  if (site.blocks.size() < wanted) site.blocks.resize(wanted);
  return site.blocks.back();
}

void GoroutineTable::apply(const GoroutineState& record) {
  const std::uint32_t look = look_count_ + 1;  // the look that this record belongs to ends with its Snapshot
  auto slot = alive_.find(record.goid);
  const bool is_new = slot == GoroutineStore::kNone;
  if (is_new) {
    slot = alive_.insert(record.goid);
    alive_.set_first_look(slot, look);
    if (incoming_.empty() || incoming_.back().end != slot) incoming_.push_back({slot, slot});
    ++incoming_.back().end;
    ++sites_[intern_site(record.created_at)].alive;
  }
  if (is_new || record.ran) alive_.set_last_ran_look(slot, look);
  alive_.set_state(slot, record);
}

void GoroutineTable::apply(const GoroutinesSeen& record) {
  const std::size_t count = std::min({record.goids.size(), record.wait_since_ns.size(), record.stack_bytes.size()});
  for (std::size_t i = 0; i < count; ++i) {
    const auto slot = alive_.find(record.goids[i]);
    if (slot != GoroutineStore::kNone) alive_.set_seen(slot, record.wait_since_ns[i], record.stack_bytes[i]);
  }
}

void GoroutineTable::apply(const GoroutinesGone& record) {
  for (const std::uint64_t goid : record.goids) {
    const auto slot = alive_.find(goid);
    if (slot == GoroutineStore::kNone) continue;
    Site& site = sites_[intern_site(alive_.common(slot).created_at)];
    --site.alive;
    if (alive_.settled(slot)) {
      --site.settled_alive;
      if (!blocks_.empty()) ++current(site).ended;
    }
    alive_.erase(slot);
  }
}

std::uint64_t GoroutineTable::first_seen_ns(GoroutineStore::Slot slot) const {
  const std::uint32_t look = alive_.first_look(slot);
  return look <= look_count_ ? look_times_[look] : 0;
}

std::uint64_t GoroutineTable::last_unseen_ns(GoroutineStore::Slot slot) const {
  const std::uint32_t look = std::min(alive_.first_look(slot), look_count_ + 1);
  return look <= 1 ? 0 : look_times_[look - 1];
}

std::uint64_t GoroutineTable::still_since_ns(GoroutineStore::Slot slot) const {
  const std::uint32_t look = alive_.last_ran_look(slot);
  return look <= look_count_ ? look_times_[look] : latest_look_ns_;
}

Goroutine GoroutineTable::goroutine(GoroutineStore::Slot slot) const {
  return {.state = alive_.state(slot),
          .first_look = alive_.first_look(slot),
          .last_ran_look = alive_.last_ran_look(slot),
          .first_seen_ns = first_seen_ns(slot),
          .still_since_ns = still_since_ns(slot),
          .settled = alive_.settled(slot)};
}

std::optional<Goroutine> GoroutineTable::find(std::uint64_t goid) const {
  const auto slot = alive_.find(goid);
  return slot == GoroutineStore::kNone ? std::nullopt : std::optional(goroutine(slot));
}

// Those that the last look saw for the first time and this one still sees have settled.
void GoroutineTable::settle(std::uint64_t begin_ns) {
  const bool first_time = look_count_ == 2;
  if (first_time) begin_block(begin_ns);
  for (const SlotRange& range : fresh_) {
    for (auto slot = range.begin; slot < range.end; ++slot) settle(slot, first_time);
  }
}

// A slot may meanwhile belong to one that came later.
void GoroutineTable::settle(GoroutineStore::Slot slot, bool first_time) {
  if (!alive_.holds(slot) || alive_.settled(slot) || alive_.first_look(slot) + 1 != look_count_) return;
  alive_.set_settled(slot);
  Site& site = sites_[intern_site(alive_.common(slot).created_at)];
  ++site.settled_alive;
  if (first_time) {
    ++site.settled_at_start;
  } else {
    ++current(site).settled;
  }
}

void GoroutineTable::apply(const Snapshot& record) {
  ++look_count_;
  look_times_.push_back(record.time_ns);
  // Who settles now was first seen by the last look: blocks run from look to look, one look behind.
  const std::uint64_t previous_ns = latest_look_ns_;
  if (look_count_ >= 2) settle(previous_ns);
  if (!blocks_.empty()) blocks_.back().end_ns = previous_ns;
  fresh_ = std::move(incoming_);
  incoming_.clear();
  looks_.push_back({record.time_ns, record.goroutines, record.newest_goid});
  last_read_ns_ = record.read_ns;
  max_read_ns_ = std::max(max_read_ns_, record.read_ns);
  latest_look_ns_ = record.time_ns;
  if (look_count_ >= 2 && ++looks_in_block_ > looks_per_block_) {
    begin_block(previous_ns);
    looks_in_block_ = 1;
  }
  thin_looks();
}

void GoroutineTable::begin_block(std::uint64_t begin_ns) {
  if (blocks_.size() >= kMostBlocks) merge_blocks();
  blocks_.push_back({begin_ns, begin_ns});
}

void GoroutineTable::merge_blocks() {
  for (Site& site : sites_) {
    std::vector<BlockCount> merged(blocks_.size() / 2);
    for (std::size_t i = 0; i < site.blocks.size(); ++i) {
      BlockCount& into = merged[std::min((site.first_block + i) / 2, merged.size() - 1)];
      into.settled += site.blocks[i].settled;
      into.ended += site.blocks[i].ended;
    }
    site.first_block = 0;
    site.blocks = std::move(merged);
  }
  std::vector<Block> merged;
  for (std::size_t i = 0; i + 1 < blocks_.size(); i += 2)
    merged.push_back({blocks_[i].begin_ns, blocks_[i + 1].end_ns});
  blocks_ = std::move(merged);
  looks_per_block_ *= 2;
}

void GoroutineTable::thin_looks() {
  if (looks_.size() < 2 * kMostBlocks) return;
  std::vector<Look> kept;
  for (std::size_t i = 0; i < looks_.size(); i += 2) kept.push_back(looks_[i]);
  if (kept.back().time_ns != looks_.back().time_ns) kept.push_back(looks_.back());
  looks_ = std::move(kept);
}

void GoroutineTable::apply(const Birth& record) {
  const StackRecord* stack = symbols_.stack(record.stack);
  if (stack == nullptr || stack->locations.empty()) return;
  Site& site = sites_[intern_site(stack->locations.front())];
  ++site.births;
  if (site.birth_stacks.size() < kMostBirthStacks || site.birth_stacks.contains(record.stack))
    ++site.birth_stacks[record.stack];
}

std::vector<BlockCount> GoroutineTable::series(const Site& site) const {
  std::vector<BlockCount> result(blocks_.size());
  for (std::size_t i = 0; i < site.blocks.size(); ++i) {
    if (site.first_block + i < result.size()) result[site.first_block + i] = site.blocks[i];
  }
  return result;
}

}  // namespace gotrace::model
