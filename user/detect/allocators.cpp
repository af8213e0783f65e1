#include "detect/allocators.h"

#include <algorithm>
#include <map>

#include "detect/frames.h"

namespace gotrace::detect {
namespace {

// Samples whose object is known to have outlived a garbage collection: what is made and dropped all the time must not
// outweigh what stays. The profile's published cycles are as of a collection; of the probes' samples those judged.
std::vector<std::uint64_t> survivors(const model::HeapTable& heap) {
  std::vector<std::uint64_t> live(heap.sites().size());
  for (std::size_t i = 0; i < live.size(); ++i)
    for (const auto& [size, count] : heap.sites()[i].profile)
      live[i] += count.allocs > count.frees ? count.allocs - count.frees : 0;
  for (const auto& sample : heap.tracked())
    if (sample.judged && !sample.dead && sample.site < live.size()) ++live[sample.site];
  return live;
}

}  // namespace

bool passes_through(const std::vector<Frame>& stack, std::span<const std::string_view> functions) {
  return std::any_of(stack.begin(), stack.end(), [&](const Frame& frame) {
    return std::find(functions.begin(), functions.end(), frame.function) != functions.end();
  });
}

std::optional<Allocator> main_allocator(const model::Model& model, std::span<const std::string_view> functions) {
  const auto& sites = model.heap().sites();
  const auto live = survivors(model.heap());
  std::map<std::pair<std::string, std::int32_t>, Allocator> places;
  std::uint64_t all = 0;
  for (std::size_t i = 0; i < sites.size(); ++i) {
    if (live[i] == 0 || !passes_through(sites[i].stack, functions)) continue;
    const auto own = first_of_program(sites[i].stack);
    if (!own) continue;
    Allocator& place = places.try_emplace({own->file, own->line}, Allocator{sites[i].stack, *own, 0, 0}).first->second;
    place.samples += live[i];
    all += live[i];
  }
  for (auto& [line, place] : places) {
    if (place.samples * 2 <= all) continue;
    place.of = all;
    return place;
  }
  return std::nullopt;
}

}  // namespace gotrace::detect
