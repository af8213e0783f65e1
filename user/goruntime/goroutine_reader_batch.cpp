#include "goruntime/goroutine_reader_batch.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace gotrace::goruntime {
namespace {

constexpr std::uint64_t kLargestRange = 1ULL << 20;
constexpr std::uint64_t kLargestGap = 2048;
constexpr std::uint64_t kBytesPerBatch = 1ULL << 20;  // stays in the cache while it is decoded
constexpr std::size_t kRangesPerBatch = 1024;
constexpr std::uint64_t kWord = 8;
constexpr process::Address kHighestAddress = 1ULL << 56;  // user space, five-level page tables included

using Ranges = std::span<const ReadPlan::Range>;

// One range failed as a whole: a page of it is not mapped. Each struct of it on its own.
void read_singly(process::RemoteMemory& memory, const ReadPlan& plan, const ReadPlan::Range& range,
                 const VisitStruct& visit) {
  const auto members = std::span(plan.order).subspan(range.first, range.count);
  std::size_t bytes = 0;
  for (const std::uint32_t index : members) bytes += plan.size_of(index);
  std::vector<std::byte> buffer(bytes);
  std::vector<process::ReadRequest> requests;
  requests.reserve(members.size());
  std::span<std::byte> rest(buffer);
  for (const std::uint32_t index : members) {
    requests.push_back({.address = plan.addresses[index], .into = rest.first(plan.size_of(index))});
    rest = rest.subspan(plan.size_of(index));
  }
  memory.read_many(requests);
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (requests[i].done) visit(members[i], requests[i].into);
  }
}

void visit_range(const ReadPlan& plan, const ReadPlan::Range& range, Bytes bytes, const VisitStruct& visit) {
  for (const std::uint32_t index : std::span(plan.order).subspan(range.first, range.count)) {
    const auto part = slice(bytes, plan.addresses[index] - range.begin, plan.size_of(index));
    if (part) visit(index, *part);
  }
}

// The leading ranges that make one batch; at least one.
Ranges leading_batch(Ranges ranges) {
  std::uint64_t bytes = 0;
  std::size_t count = 0;
  while (count < ranges.size() && count < kRangesPerBatch && (count == 0 || bytes < kBytesPerBatch)) {
    bytes += ranges[count++].size;
  }
  return ranges.first(count);
}

void run_batch(process::RemoteMemory& memory, const ReadPlan& plan, Ranges batch, ReadBuffer& buffer,
               const VisitStruct& visit) {
  std::uint64_t total = 0;
  for (const auto& range : batch) total += range.size;
  std::vector<process::ReadRequest> requests;
  requests.reserve(batch.size());
  std::span<std::byte> rest = buffer.at_least(static_cast<std::size_t>(total));
  for (const auto& range : batch) {
    const auto size = static_cast<std::size_t>(range.size);
    requests.push_back({.address = range.begin, .into = rest.first(size)});
    rest = rest.subspan(size);
  }
  memory.read_many(requests);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (requests[i].done) {
      visit_range(plan, batch[i], requests[i].into, visit);
    } else {
      read_singly(memory, plan, batch[i], visit);
    }
  }
}

bool possible(process::Address address) { return address != 0 && address < kHighestAddress; }

// Of addresses that are whole words apart: each as its distance from the lowest one, in words, with its index below.
// Sorts faster than pairs, in half the memory. Empty: they are not, or lie too far apart.
std::vector<std::uint64_t> packed(std::span<const process::Address> addresses, int index_bits) {
  process::Address lowest = kHighestAddress, highest = 0;
  std::size_t count = 0;
  for (const process::Address address : addresses) {
    if (!possible(address)) continue;
    lowest = std::min(lowest, address);
    highest = std::max(highest, address);
    ++count;
  }
  if (count == 0 || (highest - lowest) / kWord >> (64 - index_bits) != 0) return {};
  std::vector<std::uint64_t> keys;
  keys.reserve(count);
  for (std::uint64_t i = 0; i < addresses.size(); ++i) {
    if (!possible(addresses[i])) continue;
    if ((addresses[i] - lowest) % kWord != 0) return {};
    keys.push_back((addresses[i] - lowest) / kWord << index_bits | i);
  }
  return keys;
}

// By rising address. Addresses that come sorted, as those of a plan's visits do, stay as they are.
void put_in_order(ReadPlan& plan) {
  const int index_bits = std::max(1, static_cast<int>(std::bit_width(plan.addresses.size())));
  if (auto keys = packed(plan.addresses, index_bits); !keys.empty()) {
    if (!std::ranges::is_sorted(keys)) std::ranges::sort(keys);
    plan.order.reserve(keys.size());
    const std::uint64_t mask = (1ULL << index_bits) - 1;
    for (const std::uint64_t key : keys) plan.order.push_back(static_cast<std::uint32_t>(key & mask));
    return;
  }
  for (std::uint32_t i = 0; i < plan.addresses.size(); ++i)
    if (possible(plan.addresses[i])) plan.order.push_back(i);
  std::ranges::stable_sort(plan.order, {}, [&](std::uint32_t index) { return plan.addresses[index]; });
}

ReadPlan finish(ReadPlan plan) {
  put_in_order(plan);
  for (std::uint32_t i = 0; i < plan.order.size(); ++i) {
    const process::Address begin = plan.addresses[plan.order[i]];
    const std::uint64_t size = plan.size_of(plan.order[i]);
    const process::Address end = begin + size;
    if (!plan.ranges.empty()) {
      auto& last = plan.ranges.back();
      if (begin <= last.begin + last.size + kLargestGap && end - last.begin <= kLargestRange) {
        last.size = std::max(last.size, end - last.begin);
        ++last.count;
        continue;
      }
    }
    plan.ranges.push_back({.begin = begin, .size = size, .first = i, .count = 1});
  }
  return plan;
}

}  // namespace

ReadPlan make_read_plan(std::vector<process::Address> addresses, std::uint32_t size) {
  return finish({.addresses = std::move(addresses), .order = {}, .ranges = {}, .sizes = {}, .size = size});
}

ReadPlan make_read_plan(std::vector<process::Address> addresses, std::vector<std::uint32_t> sizes) {
  return finish({.addresses = std::move(addresses), .order = {}, .ranges = {}, .sizes = std::move(sizes), .size = 0});
}

std::span<std::byte> ReadBuffer::at_least(std::size_t size) {
  if (size_ < size) {
    bytes_ = std::make_unique_for_overwrite<std::byte[]>(size);
    size_ = size;
  }
  return std::span(bytes_.get(), size);
}

void run_read_plan(process::RemoteMemory& memory, const ReadPlan& plan, const VisitStruct& visit) {
  ReadBuffer buffer;
  run_read_plan(memory, plan, buffer, visit);
}

void run_read_plan(process::RemoteMemory& memory, const ReadPlan& plan, ReadBuffer& buffer, const VisitStruct& visit) {
  Ranges rest(plan.ranges);
  while (!rest.empty()) {
    const Ranges batch = leading_batch(rest);
    run_batch(memory, plan, batch, buffer, visit);
    rest = rest.subspan(batch.size());
  }
}

}  // namespace gotrace::goruntime
