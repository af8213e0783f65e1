// JSON: who holds the heap.
#include "report/json_parts.h"

namespace gotrace::report {
namespace {

const char* to_string(RetainerKind kind) {
  switch (kind) {
    case RetainerKind::variable:
      return "package-variable";
    case RetainerKind::goroutines:
      return "goroutines";
    case RetainerKind::timers:
      return "timers";
    case RetainerKind::shared:
      return "shared";
    case RetainerKind::finalizers:
      return "finalizers";
    case RetainerKind::foreign:
      return "c-memory";
    case RetainerKind::threads:
      return "threads";
    case RetainerKind::runtime:
      break;
  }
  return "runtime";
}

Json known(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json json_holder(const detect::HeapHolder& holder) {
  const bool goroutines = holder.kind == RetainerKind::goroutines;
  return {{"kind", to_string(holder.kind)},
          {"name", known(holder.name)},
          {"bytes", holder.bytes},
          {"objects", holder.objects},
          {"path", known(holder.path)},
          {"used_at", json_frame(holder.used_at)},
          {"goroutines", goroutines ? Json(holder.goroutines) : Json(nullptr)},
          {"goid", goroutines && holder.goid != 0 ? Json(holder.goid) : Json(nullptr)},
          {"created_by", json_frame(holder.created_by)},
          {"held_at", json_frame(holder.held_at)},
          {"proved", holder.proved},
          {"instances", holder.kind == RetainerKind::shared ? Json(holder.instances) : Json(nullptr)}};
}

Json json_type(const detect::HeldType& type) {
  return {{"name", type.name},
          {"object_bytes", type.object_bytes},
          {"instances", type.instances},
          {"bytes", type.bytes},
          {"objects", type.objects},
          {"path", type.path},
          {"used_at", json_frame(type.used_at)}};
}

}  // namespace

Json json_holders(const detect::Analysis& analysis) {
  if (!analysis.holders) return nullptr;
  const auto& holders = *analysis.holders;
  const bool is_known = holders.off.empty();
  Json retainers = Json::array(), types = Json::array(), ways = Json::array();
  for (const auto& holder : holders.holders) retainers.push_back(json_holder(holder));
  for (const auto& type : holders.types) types.push_back(json_type(type));
  for (const auto& way : holders.ways) ways.push_back(json_type(way));
  Json why = nullptr;
  if (!holders.asked.empty()) why = {{"asked", holders.asked}, {"not", known(holders.why_not)}, {"ways", ways}};
  return {{"off", known(holders.off)},
          {"seconds", static_cast<double>(holders.took_ns) / 1e9},
          {"references", holders.references},
          {"bytes", is_known ? Json(holders.bytes) : Json(nullptr)},
          {"objects", is_known ? Json(holders.objects) : Json(nullptr)},
          {"retainers", is_known ? retainers : Json(nullptr)},
          {"types", is_known ? types : Json(nullptr)},
          {"why", why}};
}

}  // namespace gotrace::report
