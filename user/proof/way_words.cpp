#include "proof/way_words.h"

#include <fmt/format.h>

#include "goruntime/type_names.h"

namespace gotrace::proof {

using goruntime::Holder;
using goruntime::HolderWords;

namespace {

constexpr std::size_t kMostSteps = 4;  // objects that are told of

std::string word_for(const Origin& origin) {
  switch (origin.kind) {
    case Origin::Kind::timer:
      return "a timer";
    case Origin::Kind::finalizer:
      return "a finalizer, a cleanup or a weak pointer";
    case Origin::Kind::foreign:
      return "memory of C";
    case Origin::Kind::thread:
      return "a thread that runs";
    case Origin::Kind::goroutine:
      return fmt::format("goroutine {}", origin.address);
    case Origin::Kind::variable:
    case Origin::Kind::none:
      break;
  }
  return "a long chain of objects";
}

std::string word_for(RetainerKind kind) {
  switch (kind) {
    case RetainerKind::timers:
      return "timers, and what else the scheduler has";
    case RetainerKind::finalizers:
      return "finalizers, cleanups and weak pointers";
    case RetainerKind::foreign:
      return "memory of C";
    case RetainerKind::threads:
      return "threads: registers, and stacks of the scheduler";
    case RetainerKind::runtime:
      return "what the runtime keeps of goroutines";
    case RetainerKind::variable:
    case RetainerKind::goroutines:
    case RetainerKind::shared:
      break;
  }
  return {};
}

}  // namespace

HolderWords WayWords::variable(Address address) {
  const auto [known, fresh] = variables_.try_emplace(address);
  if (fresh) {
    const goruntime::HolderChain chain{{{Holder::Kind::variable, address, 0, 0}}};
    known->second = goruntime::describe_holders(program_, symbolizer_, chain);
  }
  return known->second;
}

std::string WayWords::type_or_size(const Step& step, bool pointers) const {
  const std::string type = step.type != 0 ? goruntime::type_name(program_, step.type) : std::string();
  if (!type.empty()) return type;
  return fmt::format("objects of {} bytes{}", step.size, pointers ? "" : " without pointers");
}

std::string WayWords::object(const Step& step, bool pointers) const {
  const std::string type = step.type != 0 ? goruntime::type_name(program_, step.type) : std::string();
  const auto size = fmt::format("an object of {} bytes{}", step.size, pointers ? "" : " without pointers");
  return type.empty() ? size : type + " in " + size;
}

// Those next to the origin say most.
HolderWords WayWords::way(const Way& way, const std::string& end) {
  HolderWords result;
  if (way.origin.kind == Origin::Kind::variable) {
    result = variable(way.origin.address);
  } else {
    result.words = word_for(way.origin);
  }
  const std::size_t between = way.steps.empty() ? 0 : way.steps.size() - 1;
  const std::size_t told = std::min(between, kMostSteps);
  for (std::size_t i = 0; i < told; ++i) result.words += " -> " + object(way.steps[between - i]);
  if (between > told)
    result.words += fmt::format(" -> {} more object{}", between - told, between - told == 1 ? "" : "s");
  result.words += " -> " + end;
  return result;
}

HeapRetainer WayWords::retainer(const Retainer& from) {
  HeapRetainer result;
  result.kind = from.kind;
  result.name = word_for(from.kind);
  if (from.kind == RetainerKind::variable) {
    auto words = variable(from.variable);
    result.name = std::move(words.words);
    result.used_at = words.used_at;
  } else if (from.kind == RetainerKind::shared) {
    result.name = type_or_size(from.object, from.pointers);
  }
  result.created_at = symbolizer_.location(from.created_pc, true);
  result.held_at = symbolizer_.location(from.held_pc, true);
  result.proved = from.proved;
  result.goroutines = from.goroutines;
  result.goid = from.goid;
  result.instances = from.instances;
  result.bytes = from.bytes;
  result.objects = from.objects;
  if (!from.way.steps.empty()) {
    const auto words =
        way(from.way, object(from.way.steps.front(), from.kind != RetainerKind::shared || from.pointers));
    result.path = words.words;
    if (from.kind == RetainerKind::shared) result.used_at = words.used_at;
  }
  return result;
}

HeapType WayWords::type(const RetainedType& from) {
  const auto words = way(from.way, object(from.object, from.pointers));
  return {.name = type_or_size(from.object, from.pointers),
          .object_bytes = from.object.size,
          .instances = from.instances,
          .bytes = from.bytes,
          .objects = from.objects,
          .path = words.words,
          .used_at = words.used_at};
}

HeapRetention WayWords::retention(const Retention& from, const std::string& asked) {
  HeapRetention result;
  result.off = from.off;
  result.took_ns = from.ns;
  result.bytes = from.bytes;
  result.objects = from.objects;
  result.references = from.references;
  for (const Retainer& one : from.retainers) result.retainers.push_back(retainer(one));
  for (const RetainedType& one : from.types) result.types.push_back(type(one));
  result.asked = asked;
  result.why_not = from.why_not;
  for (const RetainedType& one : from.answers) {
    HeapType words = type(one);
    result.ways.push_back({.name = object(one.object, one.pointers),
                           .object_bytes = one.object.size,
                           .bytes = one.bytes,
                           .objects = one.objects,
                           .path = std::move(words.path),
                           .used_at = words.used_at});
  }
  return result;
}

}  // namespace gotrace::proof
