#include "model/symbols.h"

namespace gotrace::model {
namespace {

// Ids count up from 1, so a table that grows by a few at a time suffices; an id far beyond the end comes from a damaged
// or hostile trace and is dropped.
constexpr std::size_t kMostIdGap = 1U << 20;

template <typename T>
T* slot(std::vector<T>& table, std::uint32_t id) {
  if (id == 0 || id > table.size() + kMostIdGap) return nullptr;
  if (id > table.size()) table.resize(id);
  return &table[id - 1];
}

}  // namespace

void Symbols::define(const LocationRecord& record) {
  if (auto* entry = slot(locations_, static_cast<std::uint32_t>(record.id))) *entry = record.frames;
}

void Symbols::define(const StackRecord& record) {
  if (auto* entry = slot(stacks_, static_cast<std::uint32_t>(record.id))) *entry = record;
}

const std::vector<Frame>& Symbols::frames(LocationId id) const {
  static const std::vector<Frame> none;
  const auto index = static_cast<std::uint32_t>(id);
  return index == 0 || index > locations_.size() ? none : locations_[index - 1];
}

const StackRecord* Symbols::stack(StackId id) const {
  const auto index = static_cast<std::uint32_t>(id);
  return index == 0 || index > stacks_.size() ? nullptr : &stacks_[index - 1];
}

std::vector<Frame> Symbols::expand(StackId id) const {
  std::vector<Frame> result;
  const StackRecord* record = stack(id);
  if (record == nullptr) return result;
  for (const LocationId location : record->locations) {
    const auto& some = frames(location);
    result.insert(result.end(), some.begin(), some.end());
  }
  return result;
}

}  // namespace gotrace::model
