#include "model/goroutine_store.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace gotrace::model {
namespace {

std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
  hash = (hash ^ value) * 0x9e3779b97f4a7c15U;
  return hash ^ (hash >> 32);
}

template <typename T>
std::uint64_t number(T value) {
  return static_cast<std::uint64_t>(value);
}

// Only what is the same for all goroutines of a kind.
GoroutineState common_part(const GoroutineState& state) {
  GoroutineState common = state;
  common.goid = common.parent_goid = common.wait_since_ns = 0;
  common.ran = true;
  for (WaitObject& object : common.wait_objects) object.address = 0;
  return common;
}

}  // namespace

std::size_t GoroutineStore::HashKind::operator()(const GoroutineState& state) const {
  std::uint64_t hash = number(state.status) | number(state.wait_reason) << 8 | number(state.stack_torn) << 16 |
                       number(state.system) << 17 | number(state.wait_object_count) << 32;
  hash = mix(hash, state.stack_bytes);
  hash = mix(hash, number(state.created_at) | number(state.start) << 32);
  hash = mix(hash, number(state.stack));
  for (const WaitObject& object : state.wait_objects) {
    hash = mix(hash, number(object.kind) | number(object.direction) << 8 | number(object.timer) << 16 |
                         number(object.closed) << 17);
    hash = mix(hash, object.length);
    hash = mix(hash, object.capacity);
  }
  return hash;
}

// Fibonacci hashing: ids that count up, as goroutines' do, spread evenly.
std::size_t GoroutineStore::home(std::uint64_t goid) const {
  return static_cast<std::size_t>((goid * 0x9e3779b97f4a7c15U) >> (64 - std::countr_zero(index_.size())));
}

GoroutineStore::Slot GoroutineStore::find(std::uint64_t goid) const {
  if (index_.empty()) return kNone;
  for (std::size_t at = home(goid); index_[at] != kNone; at = (at + 1) & (index_.size() - 1)) {
    if (rows_[index_[at]].goid == goid) return index_[at];
  }
  return kNone;
}

void GoroutineStore::link(Slot slot) {
  std::size_t at = home(rows_[slot].goid);
  while (index_[at] != kNone) at = (at + 1) & (index_.size() - 1);
  index_[at] = slot;
}

// Closes the hole by moving back what would not be found across it.
void GoroutineStore::unlink(std::uint64_t goid) {
  const std::size_t mask = index_.size() - 1;
  std::size_t hole = home(goid);
  while (rows_[index_[hole]].goid != goid) hole = (hole + 1) & mask;
  for (std::size_t at = (hole + 1) & mask; index_[at] != kNone; at = (at + 1) & mask) {
    const std::size_t from_home = (at - home(rows_[index_[at]].goid)) & mask;
    if (from_home < ((at - hole) & mask)) continue;
    index_[hole] = index_[at];
    hole = at;
  }
  index_[hole] = kNone;
}

void GoroutineStore::grow_index() {
  constexpr std::size_t kSmallest = 64;
  index_.assign(std::max(kSmallest, 2 * index_.size()), kNone);
  for (Slot slot = 0; slot < end(); ++slot) {
    if (rows_[slot].used) link(slot);
  }
}

GoroutineStore::Slot GoroutineStore::insert(std::uint64_t goid) {
  if (4 * (size() + 1) > 3 * index_.size()) grow_index();
  Slot slot = end();
  if (free_.empty()) {
    rows_.emplace_back();
  } else {
    slot = free_.back();
    free_.pop_back();
  }
  Row& row = rows_[slot];
  row.goid = goid;
  row.used = 1;
  row.kind = blank_;
  ++kinds_[blank_].uses;
  link(slot);
  return slot;
}

void GoroutineStore::erase(Slot slot) {
  Row& row = rows_[slot];
  unlink(row.goid);
  free_addresses(row);
  keep_parent(row, 0);
  release(row.kind);
  row = Row{};
  free_.push_back(slot);
}

std::uint32_t GoroutineStore::intern(const GoroutineState& state) {
  if (latest_kind_ < kinds_.size() && kinds_[latest_kind_].uses > 0 && kinds_[latest_kind_].state == state) {
    ++kinds_[latest_kind_].uses;
    return latest_kind_;
  }
  const auto next = static_cast<std::uint32_t>(free_kinds_.empty() ? kinds_.size() : free_kinds_.back());
  const auto [place, is_new] = kind_numbers_.try_emplace(state, next);
  if (is_new) {
    if (free_kinds_.empty()) {
      kinds_.emplace_back();
    } else {
      free_kinds_.pop_back();
    }
    kinds_[next] = {state, 0};
  }
  ++kinds_[place->second].uses;
  latest_kind_ = place->second;
  return place->second;
}

void GoroutineStore::release(std::uint32_t kind) {
  if (--kinds_[kind].uses > 0) return;
  kind_numbers_.erase(kinds_[kind].state);
  free_kinds_.push_back(kind);
}

void GoroutineStore::change_kind(Row& row, const GoroutineState& common) {
  if (kinds_[row.kind].state == common) return;
  const std::uint32_t before = std::exchange(row.kind, intern(common));
  release(before);
}

void GoroutineStore::keep_parent(Row& row, std::uint64_t parent) {
  const std::uint64_t distance = row.goid - parent;
  const bool near = parent == 0 || (distance > 0 && distance < kFarParent);
  if (row.parent_distance == kFarParent) far_parents_.erase(row.goid);
  if (!near) far_parents_[row.goid] = parent;
  row.parent_distance = parent == 0 ? 0 : near ? static_cast<std::uint32_t>(distance) : kFarParent;
}

void GoroutineStore::free_addresses(const Row& row) {
  const std::size_t count = kinds_[row.kind].state.wait_objects.size();
  if (count > 1) free_runs_[count].push_back(row.object);
}

void GoroutineStore::keep_addresses(Row& row, const WaitObjectList& objects) {
  row.object = objects.empty() ? 0 : objects.front().address;
  if (objects.size() < 2) return;
  auto& free = free_runs_[objects.size()];
  if (free.empty()) {
    row.object = addresses_.size();
    addresses_.resize(addresses_.size() + objects.size());
  } else {
    row.object = free.back();
    free.pop_back();
  }
  for (std::size_t i = 0; i < objects.size(); ++i) addresses_[row.object + i] = objects[i].address;
}

void GoroutineStore::set_state(Slot slot, const GoroutineState& state) {
  Row& row = rows_[slot];
  free_addresses(row);
  change_kind(row, common_part(state));
  keep_addresses(row, state.wait_objects);
  keep_parent(row, state.parent_goid);
  row.wait_since_ns = state.wait_since_ns;
}

void GoroutineStore::set_seen(Slot slot, std::uint64_t wait_since_ns, std::uint64_t stack_bytes) {
  Row& row = rows_[slot];
  row.wait_since_ns = wait_since_ns;
  if (kinds_[row.kind].state.stack_bytes == stack_bytes) return;
  GoroutineState common = kinds_[row.kind].state;
  common.stack_bytes = stack_bytes;
  change_kind(row, common);
}

std::uint64_t GoroutineStore::parent_goid(Slot slot) const {
  const Row& row = rows_[slot];
  if (row.parent_distance == kFarParent) return far_parents_.at(row.goid);
  return row.parent_distance == 0 ? 0 : row.goid - row.parent_distance;
}

GoroutineState GoroutineStore::state(Slot slot) const {
  const Row& row = rows_[slot];
  GoroutineState state = kinds_[row.kind].state;
  state.goid = row.goid;
  state.wait_since_ns = row.wait_since_ns;
  state.parent_goid = parent_goid(slot);
  const std::size_t count = state.wait_objects.size();
  for (std::size_t i = 0; i < count; ++i) {
    state.wait_objects[i].address = count == 1 ? row.object : addresses_[row.object + i];
  }
  return state;
}

std::size_t GoroutineStore::bytes() const {
  std::size_t bytes = rows_.size() * sizeof(Row) + (free_.capacity() + index_.capacity()) * sizeof(Slot) +
                      addresses_.size() * sizeof(std::uint64_t) + kinds_.capacity() * sizeof(Kind) +
                      free_kinds_.capacity() * sizeof(std::uint32_t) +
                      kind_numbers_.size() * (sizeof(GoroutineState) + 2 * sizeof(void*)) +
                      far_parents_.size() * 4 * sizeof(std::uint64_t);
  for (const auto& runs : free_runs_) bytes += runs.capacity() * sizeof(std::uint64_t);
  return bytes;
}

}  // namespace gotrace::model
