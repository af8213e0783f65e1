#include "proof/variables.h"

#include <algorithm>

namespace gotrace::proof {

using process::Address;
using process::MemoryRange;

namespace {

constexpr std::uint64_t kLargestStatic = 4U << 10;  // bytes of what has no name of its own

std::vector<MemoryRange> data_of(const Captured& captured) {
  std::vector<MemoryRange> ranges;
  const Address bias = captured.program->load_bias();
  for (const goruntime::DataRange& range : captured.program->data_ranges())
    ranges.push_back({range.begin + bias, range.end + bias});
  return process::merged(std::move(ranges));
}

}  // namespace

Variables::Variables(const Captured& captured) {
  const Address bias = captured.program->load_bias();
  for (const goruntime::DataRange& range : captured.program->variable_ranges())
    named_.push_back({range.begin + bias, range.end + bias});
  if (named_.empty()) return;  // a pointer among them would take in the variables behind what it leads to
  std::ranges::sort(named_, {}, &MemoryRange::begin);
  const auto data = data_of(captured);
  for (const MemoryRange& range : data) {
    const auto bytes = captured.snapshot->bytes(range.begin, range.size());
    for (std::size_t at = 0; bytes && at + 8 <= bytes->size(); at += 8) {
      const auto word = load_or_zero<Address>(*bytes, at);
      const auto after = std::ranges::upper_bound(data, word, {}, &MemoryRange::begin);
      if (after != data.begin() && word < std::prev(after)->end) pointed_to_.push_back(word);
    }
  }
  std::ranges::sort(pointed_to_);
  const auto rest = std::unique(pointed_to_.begin(), pointed_to_.end());
  pointed_to_.erase(rest, pointed_to_.end());
}

Address Variables::beginning(Address address) const {
  const auto named = std::ranges::upper_bound(named_, address, {}, &MemoryRange::begin);
  const MemoryRange before = named == named_.begin() ? MemoryRange{} : *std::prev(named);
  if (address < before.end) return before.begin;
  const auto after = std::ranges::upper_bound(pointed_to_, address);
  if (after == pointed_to_.begin()) return address;
  const Address begin = *std::prev(after);
  return begin >= before.end && address - begin < kLargestStatic ? begin : address;
}

}  // namespace gotrace::proof
