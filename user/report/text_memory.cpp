// MEMORY: what `top` shows, what RES is made of, and how far the limits are.
#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/units.h"
#include "report/facts.h"
#include "report/sections.h"

namespace gotrace::report {

namespace {

constexpr double kMiB = 1024.0 * 1024;

std::string size_text(std::uint64_t bytes) { return bytes == 0 ? "0" : format_bytes(static_cast<double>(bytes)); }

// Part names of Analysis as words, in the order in which they are printed.
constexpr std::pair<std::string_view, const char*> kParts[] = {
    {"heap_live", "live"}, {"heap_garbage_or_idle", "garbage or idle"}, {"stacks", "stacks"}, {"runtime", "runtime"},
    {"files", "files"},    {"shared_memory", "shared memory"},          {"other", "other"},
};

std::string part_size(std::uint64_t bytes) {
  const double mebibytes = static_cast<double>(bytes) / kMiB;
  return mebibytes > 0 && mebibytes < 9.95 ? one_decimal(mebibytes) : fmt::format("{:.0f}", mebibytes);
}

std::string rss_parts_text(const std::map<std::string, std::uint64_t>& parts) {
  std::vector<std::string> texts;
  for (const auto& [key, word] : kParts) {
    const auto found = parts.find(std::string(key));
    // What is most often nothing is said only when it is something.
    const bool rare = key == "shared_memory" || key == "other";
    if (found == parts.end() || (rare && found->second == 0)) continue;
    texts.push_back(fmt::format("{} {}", word, part_size(found->second)));
  }
  return texts.empty() ? "" : fmt::format("{} MiB", fmt::join(texts, " + "));
}

std::string limit_text(const detect::LimitForecast& limit) {
  std::string text = fmt::format("{} ({}), {} used", size_text(limit.bytes), detect::to_string(limit.kind),
                                 size_text(limit.used_bytes));
  if (limit.bytes > 0)
    text +=
        fmt::format(" ({:.0f} %)", 100.0 * static_cast<double>(limit.used_bytes) / static_cast<double>(limit.bytes));
  if (const auto when = time_to_limit(limit)) text += ", reached " + *when;
  return text + ".";
}

bool gomemlimit_set(const TargetInfo& target) {
  return target.gomemlimit_bytes && *target.gomemlimit_bytes != std::numeric_limits<std::int64_t>::max();
}

// What the GC's settings do to the limit.
std::string gc_settings_text(const detect::Analysis& analysis) {
  if (!analysis.target) return "";
  const auto& target = *analysis.target;
  std::string text;
  if (target.gomemlimit_bytes && !gomemlimit_set(target)) text = "GOMEMLIMIT not set.";
  if (gomemlimit_set(target))
    text = fmt::format("GOMEMLIMIT {}.",
                       size_text(static_cast<std::uint64_t>(std::max<std::int64_t>(*target.gomemlimit_bytes, 0))));
  if (!target.gogc_percent) return text;
  if (*target.gogc_percent < 0) return text + " GOGC=off.";
  const double factor = 1 + *target.gogc_percent / 100.0;
  text += fmt::format(" GOGC={} lets the heap reach {} its live size", *target.gogc_percent,
                      factor == 2 ? "twice" : fmt::format("{:.1f} times", factor));
  const auto& memory = analysis.memory;
  if (!memory.limits.empty() && memory.limits.front().growth_bytes_per_second && memory.heap_growth &&
      memory.heap_trend == detect::Trend::growing)
    text += fmt::format(", so RES nears the limit at {}, with the live heap at {}",
                        format_bytes(*memory.limits.front().growth_bytes_per_second) + "/s",
                        rate_value(memory.heap_growth->value, true));
  return text + ".";
}

}  // namespace

void print_memory(Page& page, const detect::Analysis& analysis) {
  const auto& memory = analysis.memory;
  if (!memory.last) {
    page.paragraph("MEMORY  ", 8, "not read", Style::bold, 6);
    return;
  }
  const auto& figures = *memory.last;
  auto columns_of_top =
      fmt::format("VIRT {}  RES {}  SHR {}  SWAP {}", size_text(figures.vm_bytes), size_text(figures.rss_bytes),
                  size_text(figures.shared_bytes), size_text(figures.swap_bytes));
  if (memory.mem_percent) columns_of_top += fmt::format("  %MEM {:.1f}", *memory.mem_percent);
  page.paragraph("MEMORY  ", 8, columns_of_top, Style::bold, 6);
  if (const auto parts = rss_parts_text(memory.rss_parts); !parts.empty()) page.paragraph("  RES   ", 8, parts);
  std::string text = memory.limits.empty() ? "none found." : limit_text(memory.limits.front());
  const std::size_t shown = page.options().all ? memory.limits.size() : std::min<std::size_t>(memory.limits.size(), 2);
  for (std::size_t i = 1; i < shown; ++i) text += " Then " + limit_text(memory.limits[i]);
  if (const auto settings = gc_settings_text(analysis); !settings.empty())
    text += (settings.front() == ' ' ? "" : " ") + settings;
  page.paragraph("  limit ", 8, text);
}

}  // namespace gotrace::report
