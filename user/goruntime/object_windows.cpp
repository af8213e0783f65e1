#include "goruntime/object_windows.h"

#include <algorithm>
#include <array>
#include <vector>

namespace gotrace::goruntime {
namespace {

constexpr std::uint64_t kLargestPlainElement = 64;  // bytes; larger ones without pointers are rare
constexpr std::uint64_t kLargestElement = 256;
constexpr std::uint64_t kUsedShare = 8;  // less than one in so many bytes is a part

constexpr std::array<std::uint64_t, 20> kElementSizes = {1,  2,  4,  8,  12, 16,  24,  32,  40,  48,
                                                         56, 64, 72, 80, 96, 112, 128, 160, 192, 256};

struct Interval {
  std::uint64_t begin = 0, end = 0;
};

std::uint64_t united_bytes(std::vector<Interval> intervals) {
  std::ranges::sort(intervals, {}, &Interval::begin);
  std::uint64_t sum = 0;
  std::uint64_t end = 0;
  for (const Interval& one : intervals) {
    const std::uint64_t begin = std::max(one.begin, end);
    if (one.end <= begin) continue;
    sum += one.end - begin;
    end = one.end;
  }
  return sum;
}

// Elements of what size would let the slice end where the object does, up to what size classes round up (an eighth,
// runtime/sizeclasses.go); 0: none.
std::uint64_t filling_element(std::uint64_t rest, std::uint64_t capacity) {
  for (const std::uint64_t size : kElementSizes) {
    if (capacity > rest / size) break;
    if (capacity * size >= rest - rest / 8) return size;
  }
  return 0;
}

// An element's place is a multiple of its size.
std::uint64_t largest_plain_element(std::uint64_t offset) {
  if (offset == 0) return kLargestPlainElement;
  for (std::uint64_t size = std::min(offset, kLargestPlainElement); size > 1; --size)
    if (offset % size == 0) return size;
  return 1;
}

struct PlainUse {
  Interval certain;   // used, at most
  Interval length;    // of an open slice: what is in use now
  bool open = false;  // its capacity reaches the object's end, and most of it is spare
};

PlainUse plain_use(std::uint64_t size, const Window& window) {
  const std::uint64_t rest = size - window.offset;
  const auto until = [&](std::uint64_t bytes) {
    return Interval{window.offset, window.offset + std::min(bytes, rest)};
  };
  if (window.capacity == 0) return {until(window.length), until(window.length), false};
  const std::uint64_t element = filling_element(rest, window.capacity);
  if (element == 0) {
    const Interval all = until(window.capacity * largest_plain_element(window.offset));
    return {all, all, false};
  }
  return {until(rest), until(window.length * element), true};
}

}  // namespace

std::optional<Window> read_window(std::uint64_t object_size, std::uint64_t offset, std::optional<std::uint64_t> second,
                                  std::optional<std::uint64_t> third, bool strings) {
  if (offset >= object_size || !second) return std::nullopt;
  const std::uint64_t rest = object_size - offset;
  if (third && *third >= 1 && *second <= *third && *third <= rest) {
    // A slice's capacity reaches to the end of its array, unless it was cut: then it is the length, as a rule. Another
    // number stands behind a string by chance.
    const bool slice = !strings || *second == 0 || *third == *second || filling_element(rest, *third) != 0;
    return Window{offset, *second, *third, slice};
  }
  if (strings && *second >= 1 && *second <= rest) return Window{offset, *second, 0, false};
  return std::nullopt;
}

UsedPart used_part(std::uint64_t object_size, std::span<const Window> windows) {
  std::vector<Interval> certain;
  std::vector<Interval> lengths;
  bool emptied = false;
  for (const Window& window : windows) {
    if (window.offset >= object_size) return {};
    const PlainUse use = plain_use(object_size, window);
    certain.push_back(use.certain);
    lengths.push_back(use.length);
    emptied = emptied || (use.open && window.length == 0);  // a buffer at rest
  }
  if (windows.empty()) return {};
  const std::uint64_t used = united_bytes(std::move(certain));
  if (used < object_size / kUsedShare) return {ObjectUse::part, used};
  const std::uint64_t in_use = united_bytes(std::move(lengths));
  if (!emptied && in_use < object_size / kUsedShare) return {ObjectUse::spare, in_use};
  return {};
}

std::uint64_t largest_element(std::uint64_t object_size, const Window& window) {
  const std::uint64_t rest = object_size - window.offset;
  // One that lets the slice end where the object does.
  for (std::uint64_t size = kLargestElement; size >= 8 && window.capacity > 0; size -= 8)
    if (window.capacity <= rest / size && window.capacity * size >= rest - rest / 8) return size;
  for (std::uint64_t size = kLargestElement; size > 8; size -= 8)
    if (window.offset % size == 0) return size;
  return 8;
}

}  // namespace gotrace::goruntime
