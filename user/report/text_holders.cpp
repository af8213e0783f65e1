// HELD BY: who holds the heap, and the way to what was asked for.
#include <fmt/format.h>

#include <algorithm>

#include "base/units.h"
#include "report/facts.h"
#include "report/sections.h"

namespace gotrace::report {
namespace {

constexpr std::size_t kShownHolders = 4;
constexpr std::size_t kShownTypes = 2;
constexpr double kLeastShare = 0.01;  // of a holder that is shown
constexpr std::size_t kIndent = 18;

std::string share_cells(std::uint64_t bytes, std::uint64_t all) {
  const double share = all == 0 ? 0 : 100 * static_cast<double>(bytes) / static_cast<double>(all);
  return pad_left(format_bytes(static_cast<double>(bytes)), 10) + pad_left(fmt::format("{:.0f} %", share), 6) + "  ";
}

std::string goroutines_text(const Page& page, const detect::HeapHolder& holder) {
  std::string text = holder.goroutines == 1 ? fmt::format("goroutine {}", holder.goid)
                                            : format_count(holder.goroutines) + " goroutines";
  if (holder.created_by)
    text +=
        " started by " + page.name(short_function(*holder.created_by)) + "  " + page.name(place(*holder.created_by));
  if (holder.held_at)
    text += fmt::format("; {} in {}  {}", holder.goroutines == 1 ? "held" : "most of it",
                        page.name(short_function(*holder.held_at)), page.name(place(*holder.held_at)));
  if (holder.proved) text += holder.goroutines == 1 ? "; it can never run again" : "; they can never run again";
  return text;
}

std::string count_text(std::uint64_t count, std::string_view word) {
  return fmt::format("{} {}{}", format_count(count), word, count == 1 ? "" : "s");
}

std::string used_text(const Page& page, const std::optional<Frame>& used_at) {
  return used_at ? ", used in " + page.name(used_at->function, 120) : "";
}

std::string holder_text(const Page& page, const detect::HeapHolder& holder) {
  switch (holder.kind) {
    case RetainerKind::goroutines:
      return goroutines_text(page, holder);
    case RetainerKind::shared:
      return fmt::format("{} ({}), each held from several places{}", page.name(holder.name),
                         format_count(holder.instances),
                         holder.proved ? ", by goroutines that can never run again" : "");
    default:
      return page.name(holder.name) + used_text(page, holder.used_at);
  }
}

void print_holder(Page& page, const detect::HeapHolder& holder, std::uint64_t all, bool with_path) {
  page.paragraph(share_cells(holder.bytes, all), kIndent,
                 holder_text(page, holder) + "; " + count_text(holder.objects, "object"));
  if (holder.path.empty() || !with_path) return;
  const bool shared = holder.kind == RetainerKind::shared;
  page.paragraph(std::string(kIndent, ' '), kIndent + 2,
                 (shared ? "the largest by way of " : "most of it by way of ") + page.name(holder.path, 400) +
                     (shared ? used_text(page, holder.used_at) : ""));
}

void print_types(Page& page, const detect::HeapHolders& holders) {
  const std::size_t most = page.options().all ? holders.types.size() : std::min(kShownTypes, holders.types.size());
  for (std::size_t i = 0; i < most; ++i) {
    const auto& type = holders.types[i];
    page.paragraph(share_cells(type.bytes, holders.bytes), kIndent,
                   fmt::format("below {} ({}); {}", page.name(type.name), format_count(type.instances),
                               count_text(type.objects, "object")));
    if (page.options().all)
      page.paragraph(std::string(kIndent, ' '), kIndent + 2,
                     "the largest by way of " + page.name(type.path, 400) + used_text(page, type.used_at));
  }
}

void print_ways(Page& page, const detect::HeapHolders& holders) {
  if (holders.asked.empty()) return;
  const auto begin = page.name(holders.asked, 80) + ": ";
  if (!holders.why_not.empty()) return page.paragraph("  ", 4, begin + page.name(holders.why_not));
  for (const auto& way : holders.ways)
    page.paragraph("  ", 4,
                   begin + fmt::format("{}, which retains {} in {}, by way of {}{}", page.name(way.name),
                                       format_bytes(static_cast<double>(way.bytes)), count_text(way.objects, "object"),
                                       page.name(way.path, 400), used_text(page, way.used_at)));
}

}  // namespace

// What a holder retains would be garbage without it. Types overlap with holders, and with each other.
void print_holders(Page& page, const detect::Analysis& analysis) {
  if (!analysis.holders) return;
  const auto& holders = *analysis.holders;
  page.blank();
  if (!holders.off.empty())
    return page.paragraph("HELD BY  ", 9, "not known: " + page.name(holders.off), Style::bold, 7);
  page.paragraph("HELD BY  ", 9,
                 fmt::format("who holds the memory: {} in {}", format_bytes(static_cast<double>(holders.bytes)),
                             count_text(holders.objects, "object")),
                 Style::bold, 7);
  std::size_t shown = 0;
  for (const auto& holder : holders.holders) {
    const bool small = static_cast<double>(holder.bytes) < kLeastShare * static_cast<double>(holders.bytes);
    if (!page.options().all && (shown == kShownHolders || (small && shown > 0))) break;
    print_holder(page, holder, holders.bytes, page.options().all || shown == 0);
    ++shown;
  }
  print_types(page, holders);
  print_ways(page, holders);
}

}  // namespace gotrace::report
