// JSON: memory, goroutines, call sites, findings.
#include "report/json_parts.h"

namespace gotrace::report {

namespace {

Json frame_object(const Frame& frame) {
  return {{"function", frame.function}, {"file", frame.file}, {"line", frame.line}, {"inlined", frame.inlined}};
}

Json json_stack(const std::vector<Frame>& stack) {
  Json frames = Json::array();
  for (const auto& frame : stack) frames.push_back(frame_object(frame));
  return frames;
}

// The three keys of a rate, appended to an object: `name`, low, high.
// `ends`: what the names of the interval's ends begin with.
void add_rate(Json& object, const char* name, const std::optional<detect::Rate>& rate, const std::string& ends = "") {
  object[name] = rate ? Json(rate->value) : Json(nullptr);
  object[ends + "low"] = rate ? Json(rate->low) : Json(nullptr);
  object[ends + "high"] = rate ? Json(rate->high) : Json(nullptr);
}

Json json_growth(const detect::Finding& finding) {
  if (!finding.growth) return nullptr;
  Json growth = {{"unit", finding.growth_unit}};
  add_rate(growth, "per_second", finding.growth);
  return growth;
}

Json json_limit(const detect::LimitForecast& limit) {
  return {{"kind", detect::to_string(limit.kind)},
          {"bytes", limit.bytes},
          {"used_bytes", limit.used_bytes},
          {"growth_bytes_per_second", json_optional(limit.growth_bytes_per_second)},
          {"seconds_low", json_optional(limit.seconds_low)},
          {"seconds_high", json_optional(limit.seconds_high)}};
}

}  // namespace

Json json_frame(const std::optional<Frame>& frame) { return frame ? frame_object(*frame) : Json(nullptr); }

std::string dump(const Json& value, int indent) {
  return value.dump(indent, ' ', false, Json::error_handler_t::replace);
}

Json json_memory(const detect::Analysis& analysis) {
  const auto& memory = analysis.memory;
  const auto figure = [&memory](std::uint64_t MemoryFigures::*field) {
    return memory.last ? Json((*memory.last).*field) : Json(nullptr);
  };
  Json limits = Json::array();
  for (const auto& limit : memory.limits) limits.push_back(json_limit(limit));
  return {{"vm_bytes", figure(&MemoryFigures::vm_bytes)},
          {"rss_bytes", figure(&MemoryFigures::rss_bytes)},
          {"shared_bytes", figure(&MemoryFigures::shared_bytes)},
          {"swap_bytes", figure(&MemoryFigures::swap_bytes)},
          {"mem_percent", json_optional(memory.mem_percent)},
          {"rss_parts", memory.last ? Json(memory.rss_parts) : Json(nullptr)},
          {"heap_live_bytes", json_optional(memory.heap_live_bytes)},
          {"heap_goal_bytes", json_optional(memory.heap_goal_bytes)},
          {"gc_cpu_fraction", json_optional(memory.gc_cpu_fraction)},
          {"stacks_bytes", json_optional(memory.stacks_bytes)},
          {"limits", memory.last ? limits : Json(nullptr)}};
}

Json json_creation_site(const detect::CreationSite& site) {
  Json object = {{"id", site.id}, {"where", json_frame(site.where)}, {"count", site.count}};
  add_rate(object, "growth_per_second", site.growth);
  add_rate(object, "births_per_second", site.births, "births_");
  add_rate(object, "ends_per_second", site.ends, "ends_");
  object["trend"] = detect::to_string(site.trend);
  object["verdict"] = detect::to_string(site.verdict);
  return object;
}

Json json_group(const detect::GoroutineGroup& group) {
  return {{"id", group.id},
          {"creation_site_id", group.creation_site_id.empty() ? Json(nullptr) : Json(group.creation_site_id)},
          {"count", group.count},
          {"created_by", json_frame(group.created_by)},
          {"start", json_frame(group.start)},
          {"blocked_at", json_frame(group.blocked_at)},
          {"stack", json_stack(group.stack)},
          {"wait_reason", group.wait_reason},
          {"parked_seconds",
           {{"oldest_at_least", json_optional(group.oldest_seconds_at_least)},
            {"newest_at_least", json_optional(group.newest_seconds_at_least)},
            {"not_yet_seen_by_gc", group.not_yet_seen_by_gc}}},
          {"stack_bytes", group.stack_bytes},
          {"growth_per_second", json_optional(group.growth_per_second)},
          {"verdict", detect::to_string(group.verdict)},
          {"normal_because", group.normal_because.empty() ? Json(nullptr) : Json(group.normal_because)},
          {"goids", Json(group.goids)}};
}

Json json_call_site(const detect::CallSite& site) {
  Json object = {{"id", site.id},
                 {"stack", json_stack(site.stack)},
                 {"live_bytes", json_optional(site.live_bytes)},
                 {"live_objects", json_optional(site.live_objects)},
                 {"alloc_bytes", json_optional(site.alloc_bytes)},
                 {"alloc_objects", json_optional(site.alloc_objects)}};
  add_rate(object, "growth_bytes_per_second", site.growth_bytes);
  object["trend"] = detect::to_string(site.trend);
  object["verdict"] = detect::to_string(site.verdict);
  return object;
}

Json json_finding(const detect::Finding& finding) {
  Json evidence = Json::array();
  for (const auto& item : finding.evidence) evidence.push_back({{"code", item.code}, {"text", item.text}});
  return {{"id", finding.id},
          {"exact_id", finding.exact_id},
          {"kind", finding.kind},
          {"verdict", detect::to_string(finding.verdict)},
          {"trend", detect::to_string(finding.trend)},
          {"title", finding.title},
          {"where", json_frame(finding.where)},
          {"created_by", json_frame(finding.created_by)},
          {"blocked_at", json_frame(finding.blocked_at)},
          {"wait_reason", finding.wait_reason.empty() ? Json(nullptr) : Json(finding.wait_reason)},
          {"count", json_optional(finding.count)},
          {"bytes", json_optional(finding.bytes)},
          {"growth_per_second", finding.growth ? Json(finding.growth->value) : Json(nullptr)},
          {"growth", json_growth(finding)},
          {"confidence", detect::to_string(finding.confidence)},
          {"evidence", evidence},
          {"advice", finding.advice},
          {"group_ids", Json(finding.group_ids)},
          {"site_ids", Json(finding.site_ids)}};
}

Json json_proof(const detect::Analysis& analysis) {
  if (!analysis.proof) return nullptr;
  const Proof& proof = *analysis.proof;
  const auto seconds = [](std::uint64_t ns) { return static_cast<double>(ns) / 1e9; };
  const bool known = proof.off.empty();
  std::uint64_t held_bytes = 0;
  for (const std::uint64_t bytes : proof.held_bytes) held_bytes += bytes;
  Json reached = Json::array();
  for (const auto& group : analysis.reached)
    reached.push_back({{"count", group.count},
                       {"created_by", json_frame(group.created_by)},
                       {"blocked_at", json_frame(group.blocked_at)},
                       {"wait_reason", group.wait_reason},
                       {"path", group.path},
                       {"used_at", json_frame(group.used_at)}});
  return {{"off", known ? Json(nullptr) : Json(proof.off)},
          {"pause_seconds", seconds(proof.pause_ns)},
          {"predicted_pause_seconds", seconds(proof.predicted_ns)},
          {"copied_bytes", proof.copied_bytes},
          {"heap_bytes", proof.heap_bytes},
          {"scannable_bytes", proof.scannable_bytes},
          {"scanned_bytes", proof.scanned_bytes},
          {"mark_seconds", seconds(proof.mark_ns)},
          {"marked_objects", proof.marked_objects},
          {"marked_bytes", proof.marked_bytes},
          {"goroutines", proof.goroutines},
          {"candidates", proof.candidates},
          {"proved", known ? Json(proof.goids.size()) : Json(nullptr)},
          {"held_bytes", known ? Json(held_bytes) : Json(nullptr)},
          {"reached", known ? reached : Json(nullptr)}};
}

}  // namespace gotrace::report
