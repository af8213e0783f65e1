#include "goruntime/goroutine_places.h"

#include <algorithm>
#include <bit>

#include "goruntime/goroutine_reader_batch.h"

namespace gotrace::goruntime {
namespace {

constexpr std::uint64_t kWord = 8;
constexpr std::uint64_t kWindow = kWord << 16;  // what Place::offset_ reaches
constexpr process::Address kHighestAddress = 1ULL << 56;
constexpr std::size_t kPlacesPerBatch = 4096;
constexpr std::uint8_t kOddSize = 0xff;

std::uint32_t wait_since_of(const GView& view) {
  const auto low = static_cast<std::uint32_t>(view.wait_since);
  return low == 0 && view.wait_since != 0 ? 1 : low;
}

std::uint32_t stop_of(const GView& view) {
  return static_cast<std::uint32_t>(((view.pc ^ view.depth() << 32) * 0x9e3779b97f4a7c15U) >> 32);
}

std::uint8_t stack_size_of(const GView& view) {
  const std::uint64_t size = view.stack_hi - view.stack_lo;
  return std::has_single_bit(size) ? static_cast<std::uint8_t>(std::countr_zero(size)) : kOddSize;
}

}  // namespace

void Place::remember(const GView& view, bool settled) {
  goid_low_ = static_cast<std::uint32_t>(view.goid);
  goid_high_ = static_cast<std::uint16_t>(view.goid >> 32);
  stop_ = stop_of(view);
  tracking_ = view.tracking;
  wait_reason_ = view.wait_reason;
  remember_gc(view);
  settled_ = settled && view.status == GoStatus::waiting && stack_size_ != kOddSize;
}

void Place::remember_gc(const GView& view) {
  wait_since_ = wait_since_of(view);
  stack_size_ = stack_size_of(view);
}

void Place::forget() { *this = Place(offset_); }

bool Place::waits_as_before(const GView& view) const {
  return settled_ && view.status == GoStatus::waiting && wait_reason_ == view.wait_reason && stop_ == stop_of(view);
}

bool Place::same_wait_since(const GView& view) const { return wait_since_ == wait_since_of(view); }

bool Place::same_stack_size(const GView& view) const { return stack_size_ == stack_size_of(view); }

GoroutinePlaces::Window& GoroutinePlaces::window_at(process::Address begin) {
  if (windows_.empty() || windows_.back().begin < begin) return windows_.emplace_back(Window{begin, {}});
  const auto at = std::ranges::lower_bound(windows_, begin, {}, &Window::begin);
  return at->begin == begin ? *at : *windows_.insert(at, Window{begin, {}});
}

void GoroutinePlaces::add(std::vector<process::Address> addresses) {
  std::erase_if(addresses, [](process::Address a) { return a == 0 || a % kWord != 0 || a >= kHighestAddress; });
  std::ranges::sort(addresses);
  std::span<const process::Address> rest(addresses);
  while (!rest.empty()) {
    const process::Address begin = rest.front() / kWindow * kWindow;
    const auto end = std::ranges::lower_bound(rest, begin + kWindow);
    const auto count = static_cast<std::size_t>(end - rest.begin());
    auto& places = window_at(begin).places;
    const std::size_t before = places.size();
    // Room for a few more only: this is most of what the reader needs.
    if (before + count > places.capacity()) places.reserve(before + count + before / 8);
    for (const auto address : rest.first(count)) {
      places.push_back(Place(static_cast<std::uint16_t>((address - begin) / kWord)));
    }
    std::ranges::inplace_merge(places, places.begin() + static_cast<std::ptrdiff_t>(before), {}, &Place::offset_);
    const auto same = [](const Place& a, const Place& b) { return a.offset_ == b.offset_; };
    places.erase(std::unique(places.begin(), places.end(), same), places.end());
    size_ += places.size() - before;
    rest = rest.subspan(count);
  }
}

void GoroutinePlaces::clear() {
  windows_.clear();
  size_ = 0;
}

std::size_t GoroutinePlaces::read_all(process::RemoteMemory& memory, std::uint32_t bytes, const Visit& visit) {
  std::vector<process::Address> addresses;
  std::vector<Place*> places;
  std::size_t visited = 0;
  const auto run = [&] {
    const ReadPlan plan = make_read_plan(std::exchange(addresses, {}), bytes);
    run_read_plan(memory, plan, buffer_, [&](std::uint32_t index, Bytes g) {
      ++visited;
      visit(plan.addresses[index], *places[index], g);
    });
    places.clear();
  };
  for (Window& window : windows_) {
    for (Place& place : window.places) {
      addresses.push_back(window.begin + kWord * place.offset_);
      places.push_back(&place);
    }
    if (places.size() >= kPlacesPerBatch) run();
  }
  run();
  return visited;
}

void GoroutinePlaces::for_each(const std::function<void(Place& place)>& visit) {
  for (Window& window : windows_) {
    for (Place& place : window.places) visit(place);
  }
}

std::size_t GoroutinePlaces::bytes() const {
  std::size_t bytes = windows_.capacity() * sizeof(Window);
  for (const Window& window : windows_) bytes += window.places.capacity() * sizeof(Place);
  return bytes;
}

}  // namespace gotrace::goruntime
