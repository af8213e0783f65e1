// What was seen when nothing is wrong, and with --all: trends, groups of goroutines, call sites.
#include <fmt/format.h>

#include <algorithm>

#include "base/units.h"
#include "report/facts.h"
#include "report/sections.h"

namespace gotrace::report {

namespace {

constexpr std::size_t kShownGroups = 8;
constexpr std::size_t kShownSites = 6;
constexpr std::size_t kCountColumn = 10;  // as wide as the table's name

// Some values of a series, oldest first: the first, the last, and what lies evenly between.
std::vector<std::uint64_t> pick(const std::vector<std::uint64_t>& series, std::size_t most) {
  if (series.size() <= most) return series;
  std::vector<std::uint64_t> picked;
  for (std::size_t i = 0; i < most; ++i) picked.push_back(series[i * (series.size() - 1) / (most - 1)]);
  return picked;
}

std::string join_arrows(const std::vector<std::string>& values) { return fmt::format("{}", fmt::join(values, " -> ")); }

// "61 -> 60 -> 61 MiB": the unit once where all share it.
std::string byte_series(const std::vector<std::uint64_t>& series) {
  std::vector<std::string> values;
  for (const auto bytes : series) values.push_back(format_bytes(static_cast<double>(bytes)));
  for (std::size_t i = 0; i + 1 < values.size(); ++i) {
    const auto unit = values[i].rfind(' ');
    const auto next = values[i + 1].rfind(' ');
    if (unit == std::string::npos || next == std::string::npos) continue;
    if (values[i].substr(unit) == values.back().substr(values.back().rfind(' '))) values[i].resize(unit);
  }
  return join_arrows(values);
}

void trend_row(Page& page, const char* label, const std::string& value, const std::string& judgement) {
  const auto begin = pad_right("  " + std::string(label), 19);
  // Side by side where there is room for words, else the judgement on lines of its own.
  if (page.width() >= 72) return page.paragraph(begin + pad_right(value, 24) + "  ", 45, judgement);
  page.paragraph(begin, 19, value);
  if (!judgement.empty()) page.paragraph("    ", 4, judgement);
}

std::string trend_and_floor(detect::Trend trend, const std::string& floor) {
  const std::string word = trend == detect::Trend::unknown ? "trend not known" : detect::to_string(trend);
  return floor.empty() ? word : word + "; " + floor;
}

// A floor would claim too much: these are above it, and no verdict is given.
std::string bursts_text(const Page& page, const detect::UnjudgedBursts& unjudged) {
  const auto where = unjudged.where ? " at " + page.name(short_function(*unjudged.where), 60) : std::string();
  return fmt::format("{} came{} in {} burst{} and stayed: too few to judge", format_count(unjudged.goroutines), where,
                     unjudged.bursts, unjudged.bursts == 1 ? "" : "s");
}

void print_stuck_row(Page& page, const detect::Analysis& analysis) {
  const auto& goroutines = analysis.goroutines;
  const auto label = "stuck over " + format_duration(static_cast<double>(analysis.session.stuck_after_ns) / 1e9);
  if (goroutines.stuck == 0) return trend_row(page, label.c_str(), "none", "");
  const auto value = fmt::format("{} in {} place{}", format_count(goroutines.stuck),
                                 format_count(goroutines.stuck_places), goroutines.stuck_places == 1 ? "" : "s");
  const bool unexplained = std::any_of(goroutines.groups.begin(), goroutines.groups.end(), [&](const auto& group) {
    return group.oldest_seconds_at_least &&
           *group.oldest_seconds_at_least * 1e9 >= static_cast<double>(analysis.session.stuck_after_ns) &&
           group.verdict != detect::Verdict::healthy;
  });
  trend_row(page, label.c_str(), value, unexplained ? "no sign of a leak in them" : "all normal waits, see below");
}

std::string age_cell(const detect::GoroutineGroup& group) {
  if (!group.oldest_seconds_at_least) return "-";
  return ">=" + format_duration(*group.oldest_seconds_at_least);
}

struct GroupCells {
  std::string count, age, function, reason, normal;
};

// The runtime's own functions are known by their names alone; the room is short.
std::string table_function(const Frame& frame) {
  constexpr std::string_view kRuntime = "runtime.";
  auto name = short_function(frame);
  if (frame.standard_library && name.starts_with(kRuntime)) name.erase(0, kRuntime.size());
  return name;
}

std::vector<GroupCells> group_cells(const Page& page, const std::vector<detect::GoroutineGroup>& groups,
                                    std::size_t most) {
  std::vector<GroupCells> cells;
  for (const auto& group : groups) {
    if (cells.size() >= most) break;
    const auto& frame = group.blocked_at ? group.blocked_at : group.start;
    cells.push_back({format_count(group.count), age_cell(group), frame ? page.name(table_function(*frame)) : "?",
                     page.name(group.wait_reason, 16), page.name(group.normal_because, 120)});
  }
  return cells;
}

}  // namespace

void print_trends(Page& page, const detect::Analysis& analysis) {
  const auto& summary = analysis.summary;
  std::vector<std::string> counts;
  for (const auto total : pick(analysis.goroutines.totals, 3)) counts.push_back(format_count(total));
  if (!counts.empty()) {
    std::string floor;
    if (summary.floor_goroutines_per_second)
      floor = fmt::format("a leak above {:.1f}/s would show", *summary.floor_goroutines_per_second);
    const auto& unjudged = analysis.goroutines.unjudged_bursts;
    trend_row(page, "goroutines", join_arrows(counts),
              unjudged ? bursts_text(page, *unjudged) : trend_and_floor(analysis.goroutines.trend, floor));
  }
  const auto& memory = analysis.memory;
  if (!memory.heap_after_gc_bytes.empty()) {
    std::string floor;
    if (summary.floor_heap_bytes_per_second)
      floor = fmt::format("above {}/s would show", format_bytes(*summary.floor_heap_bytes_per_second));
    trend_row(page, "heap after GC", byte_series(pick(memory.heap_after_gc_bytes, 3)),
              trend_and_floor(memory.heap_trend, floor));
  }
  if (memory.allocated_at_most)
    trend_row(page, "heap allocates", format_bytes(*memory.allocated_at_most) + "/s in all",
              fmt::format("no leak above {}/s", format_bytes(summary.floor_heap_bytes_per_second.value_or(0))));
  if (memory.outside_heap_bytes)
    trend_row(page, "outside Go heap",
              "RES less heap: " + format_bytes(static_cast<double>(*memory.outside_heap_bytes)),
              trend_and_floor(memory.outside_heap_trend, ""));
  if (analysis.goroutines.total) print_stuck_row(page, analysis);
  const double ratio = 600 / std::max(analysis.window.seconds, 0.001);
  if (analysis.window.seconds > 0 && ratio >= 2 && summary.floor_goroutines_per_second)
    page.paragraph(
        "", 0, fmt::format("A slower leak needs a longer look: --duration 10m sees about 1/{:.0f} of these.", ratio));
}

// Each with one way from what can still run to what it waits for: whether that way will be gone is for the reader to
// judge.
void print_reached(Page& page, const detect::Analysis& analysis) {
  if (analysis.reached.empty()) return;
  page.blank();
  page.paragraph("MAY RUN  ", 9, "what these wait for can be reached; is it meant to be?", Style::bold, 7);
  const std::size_t most = page.options().all ? analysis.reached.size() : kShownGroups;
  std::uint64_t rest = 0;
  for (std::size_t i = 0; i < analysis.reached.size(); ++i) {
    const auto& group = analysis.reached[i];
    if (i >= most) {
      rest += group.count;
      continue;
    }
    const auto where = group.blocked_at ? short_function(*group.blocked_at) + "  " + place(*group.blocked_at) : "?";
    page.paragraph(pad_left(format_count(group.count), 7) + "  ", 9,
                   page.name(where) + "  " + page.name(group.wait_reason, 40));
    auto path = "by way of " + page.name(group.path, 400);
    if (group.used_at) path += ", used in " + page.name(group.used_at->function, 120);
    page.paragraph("         ", 11, path);
  }
  if (rest > 0)
    page.paragraph(
        "         ", 9,
        fmt::format("{} more in {} other places: see --all", format_count(rest), analysis.reached.size() - most));
}

void print_groups(Page& page, const detect::Analysis& analysis) {
  const auto& groups = analysis.goroutines.groups;
  if (groups.empty()) return;
  // One more group than fits is shown rather than a line "(1 other place)".
  const std::size_t most = page.options().all || groups.size() == kShownGroups + 1 ? groups.size() : kShownGroups;
  const auto cells = group_cells(page, groups, most);
  std::size_t age = 6, reason = 0, function = 10, normal = 0;
  for (const auto& cell : cells) {
    age = std::max(age, columns(cell.age));
    reason = std::max(reason, columns(cell.reason));
    function = std::max(function, columns(cell.function));
    normal = std::max(normal, columns(cell.normal));
  }
  const std::size_t before = kCountColumn + 2 + age + 2;
  // The function gets what the others leave; the reason why it is normal may be cut, it is all in the JSON.
  const std::size_t others_width = before + reason + 4 + std::min<std::size_t>(normal, 20);
  const std::size_t room = page.width() > others_width ? page.width() - others_width : 0;
  function = std::min(function, std::max<std::size_t>(room, 16));
  page.blank();
  page.row(pad_right("GOROUTINES  " + pad_left("oldest", age) + "  blocked in", before + function + reason + 4) +
               "normal because",
           Style::bold);
  for (const auto& cell : cells)
    page.row(pad_left(cell.count, kCountColumn) + "  " + pad_left(cell.age, age) + "  " +
             pad_right(shorten(cell.function, function), function) + "  " + pad_right(cell.reason, reason) + "  " +
             cell.normal);
  if (cells.size() == groups.size()) return;
  std::uint64_t others = 0;
  for (std::size_t i = cells.size(); i < groups.size(); ++i) others += groups[i].count;
  page.row(
      pad_left(format_count(others), kCountColumn) + "  " + pad_left("-", age) + "  " +
      pad_right(fmt::format("({} other places)", format_count(groups.size() - cells.size())), function + reason + 2) +
      "  see --all");
}

void print_call_sites(Page& page, const detect::Analysis& analysis) {
  const auto& sites = analysis.call_sites;
  std::size_t most = sites.size();
  if (!page.options().all) {
    const auto empty = [](const detect::CallSite& site) { return site.live_bytes == 0; };
    const auto holding = std::find_if(sites.begin(), sites.end(), empty) - sites.begin();
    most = std::min(static_cast<std::size_t>(holding), kShownSites);
  }
  if (most == 0) return;
  const std::size_t before = kCountColumn + 2 + 9 + 2;
  std::size_t function = 10;
  for (std::size_t i = 0; i < most; ++i)
    if (!sites[i].stack.empty())
      function = std::max(function, columns(page.name(short_function(sites[i].stack.front()))));
  function = std::min(function, page.width() - before > 40 ? page.width() - before - 24 : 16);
  page.blank();
  page.row("CALL SITES      trend  allocated at", Style::bold);
  for (std::size_t i = 0; i < most; ++i) {
    const auto& site = sites[i];
    const auto live = site.live_bytes ? format_bytes(static_cast<double>(*site.live_bytes)) : "-";
    std::string where = "?";
    if (!site.stack.empty())
      where = pad_right(shorten(page.name(short_function(site.stack.front())), function), function) + "  " +
              page.name(place(site.stack.front()));
    page.row(pad_left(live, kCountColumn) + "  " + pad_left(detect::to_string(site.trend), 9) + "  " + where);
  }
  if (most < sites.size())
    page.row(pad_left("", before) + fmt::format("({} others, see --all)", format_count(sites.size() - most)));
}

void print_creation_sites(Page& page, const detect::Analysis& analysis) {
  const auto& sites = analysis.goroutines.sites;
  if (sites.empty()) return;
  page.blank();
  page.row("   STARTED      trend  births/s  ends/s  by the go statement at", Style::bold);
  // What was seen in windows only is about that.
  const auto text = [](const std::optional<detect::Rate>& rate) {
    return rate ? (rate->low < rate->high ? "~" : "") + one_decimal(rate->value) : std::string("-");
  };
  for (const auto& site : sites) {
    const auto where = site.where ? page.name(short_function(*site.where)) + "  " + page.name(place(*site.where))
                                  : std::string("(main, or not known)");
    page.row(pad_left(format_count(site.count), kCountColumn) + "  " + pad_left(detect::to_string(site.trend), 9) +
             "  " + pad_left(text(site.births), 8) + "  " + pad_left(text(site.ends), 6) + "  " + where);
  }
}

}  // namespace gotrace::report
