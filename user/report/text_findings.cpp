// Headline and findings of the text report.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/units.h"
#include "report/facts.h"
#include "report/sections.h"

namespace gotrace::report {

namespace {

constexpr std::size_t kLabelIndent = 3;
constexpr std::size_t kTextColumn = 14;

void labelled(Page& page, std::string_view label, std::string_view text) {
  if (text.empty()) return;
  const auto prefix = pad_right(std::string(kLabelIndent, ' ') + std::string(label), kTextColumn);
  page.paragraph(prefix, kTextColumn, text);
}

struct FrameRow {
  const char* label;
  const Frame* frame;
  std::string note;
};

// Rows of "label  function  file:line  note"; a row that is too wide is broken between its columns.
void print_frame_rows(Page& page, const std::vector<FrameRow>& rows) {
  const std::size_t room = page.width() - kTextColumn;
  std::size_t widest_function = 0, widest_place = 0;
  for (const auto& row : rows) {
    const std::size_t function = columns(page.name(row.frame->function));
    const std::size_t place_width = columns(page.name(place(*row.frame)));
    if (function + 2 + place_width > room) continue;  // will be broken: must not push the others apart
    widest_function = std::max(widest_function, function);
    widest_place = std::max(widest_place, place_width);
  }
  for (const auto& row : rows) {
    const auto function = page.name(row.frame->function);
    const auto where = page.name(place(*row.frame));
    auto line = pad_right(function, widest_function) + "  " + pad_right(where, row.note.empty() ? 0 : widest_place);
    if (!row.note.empty()) line += "  " + row.note;
    if (columns(line) <= room) {
      labelled(page, row.label, line);
    } else {
      labelled(page, row.label, function);
      labelled(page, "", row.note.empty() ? where : where + "  " + row.note);
    }
  }
}

bool about_goroutines(const detect::Finding& finding) { return finding.kind == "goroutine-leak"; }

// What the finding's line does, and what is counted.
struct KindWords {
  const char* kind;
  const char* where;
  const char* unit;     // of the growth
  const char* counted;  // of the count
};
constexpr KindWords kKindWords[] = {
    {"fd-leak", "opened at", "open files", "open"},
    {"unexplained-resident", "where", "memory outside the Go heap", "mappings"},
    {"thread-leak", "started", "threads", "threads"},
    {"ticker-leak", "made at", "timers", "pending"},
    {"deferred-in-loop", "deferred", "deferred calls", "waiting to run"},
    {"finalizer-leak", "stuck at", "queued finalizers", "queued"},
    {"stack-growth", "deep in", "stacks", "goroutines"},
    {"retained-by-stack", "kept by", "memory", "objects"},
};
constexpr KindWords kFinalizerCycle{"finalizer-leak", "finalizer", "objects with it", "alive"};
const KindWords* words_of(const detect::Finding& finding) {
  if (finding.kind == kFinalizerCycle.kind && finding.growth_unit == "objects") return &kFinalizerCycle;
  const auto found = std::find_if(std::begin(kKindWords), std::end(kKindWords),
                                  [&](const KindWords& words) { return finding.kind == words.kind; });
  return found == std::end(kKindWords) ? nullptr : found;
}

// The outer frame of an allocation that is the program's own: who called it.
const Frame* caller_of(const detect::Finding& finding) {
  const auto& stack = finding.stack;
  auto at = std::find_if(stack.begin(), stack.end(), [&](const Frame& frame) { return frame == finding.where; });
  if (at == stack.end()) return nullptr;
  const auto next = at + 1;
  const auto own = std::find_if(next, stack.end(), [](const Frame& frame) { return !frame.standard_library; });
  if (own != stack.end()) return &*own;
  return next == stack.end() ? nullptr : &*next;
}

void print_places(Page& page, const detect::Finding& finding) {
  std::vector<FrameRow> rows;
  const auto reason = page.name(finding.wait_reason, 40);
  if (about_goroutines(finding)) {
    const Frame* started = finding.where ? &*finding.where : nullptr;
    if (started != nullptr) rows.push_back({"started", started, ""});
    if (finding.created_by && finding.created_by != finding.where)
      rows.push_back({"created by", &*finding.created_by, ""});
    if (finding.blocked_at) rows.push_back({"stuck at", &*finding.blocked_at, reason});
  } else {
    const KindWords* words = words_of(finding);
    if (finding.where) rows.push_back({words != nullptr ? words->where : "allocated", &*finding.where, ""});
    if (finding.blocked_at && finding.blocked_at != finding.where)
      rows.push_back({"stuck at", &*finding.blocked_at, reason});
    if (const Frame* caller = caller_of(finding)) rows.push_back({"called by", caller, ""});
  }
  print_frame_rows(page, rows);
}

std::string since_text(const detect::Analysis& analysis, const detect::Finding& finding) {
  if (!finding.since_seconds_at_least) return "";
  const double age = *finding.since_seconds_at_least;
  std::string text = "at least " + format_duration(age);
  const auto uptime = uptime_seconds(analysis);
  if (uptime && age >= *uptime * 0.98) return text + ", the whole life of the process";
  if (finding.trend != detect::Trend::growing && age < 1e9) {
    const std::int64_t end = end_wall_ns(analysis);
    text += ": before " + utc_minute(end - static_cast<std::int64_t>(age * 1e9), end);
  }
  return text;
}

std::string evidence_text(const Page& page, const detect::Finding& finding) {
  std::string text;
  for (const auto& evidence : finding.evidence) {
    if (evidence.text.empty()) continue;
    if (!text.empty()) text += ' ';
    text += page.name(evidence.text, 1000);
    if (text.back() != '.' && text.back() != '?' && text.back() != '!') text += '.';
  }
  return text;
}

std::string goroutine_numbers(const detect::Finding& finding) {
  std::string text;
  const bool growing = finding.trend == detect::Trend::growing;
  if (growing && finding.growth) {
    text = "goroutines " + rate_value(finding.growth->value, false) + rate_interval(*finding.growth, false);
    if (finding.count) text += fmt::format(": {} alive", format_count(*finding.count));
  } else {
    text = finding.count ? format_count(*finding.count) + " goroutines" : "goroutines";
    if (finding.growth) text += ", " + rate_value(finding.growth->value, false);
  }
  if (finding.bytes) text += fmt::format(", {} of stacks", format_bytes(static_cast<double>(*finding.bytes)));
  return text;
}

// "open files +5.0/s (4.7-5.3): 812 open"
std::string resource_numbers(const detect::Finding& finding, const KindWords& words) {
  const bool bytes = finding.growth_unit == "bytes";
  std::string text = bytes && finding.kind == "ticker-leak" ? "memory of tickers" : words.unit;
  if (finding.growth) text += " " + rate_value(finding.growth->value, bytes) + rate_interval(*finding.growth, bytes);
  if (finding.bytes) text += fmt::format(": {}", format_bytes(static_cast<double>(*finding.bytes)));
  if (finding.count)
    text += fmt::format("{} {} {}", finding.bytes ? "," : ":", format_count(*finding.count), words.counted);
  return text;
}

}  // namespace

std::string verdict_word(const detect::Finding& finding) {
  if (finding.verdict == detect::Verdict::proved) return "PROVED";
  if (finding.verdict != detect::Verdict::leaking) return "SUSPECTED";
  return finding.kind == "growing-call-site" ? "GROWING" : "LEAKING";
}

Style verdict_style(const detect::Finding& finding) {
  return finding.verdict >= detect::Verdict::leaking ? Style::red : Style::yellow;
}

std::string finding_numbers(const detect::Finding& finding) {
  if (about_goroutines(finding)) return goroutine_numbers(finding);
  if (const KindWords* words = words_of(finding)) return resource_numbers(finding, *words);
  const bool bytes = finding.growth_unit == "bytes";
  std::string text = bytes ? (finding.kind == "growing-call-site" ? "heap" : "memory") : finding.growth_unit;
  if (finding.growth) text += " " + rate_value(finding.growth->value, bytes) + rate_interval(*finding.growth, bytes);
  if (finding.bytes) text += fmt::format(": {} live", format_bytes(static_cast<double>(*finding.bytes)));
  if (finding.count) text += fmt::format("{}{} objects", finding.bytes ? " in " : ": ", format_count(*finding.count));
  return text;
}

void print_headline(Page& page, const detect::Analysis& analysis) {
  const auto text = headline(analysis, page);
  Style style = Style::bold;
  if (analysis.summary.verdict == detect::SummaryVerdict::leak) style = Style::red;
  if (analysis.summary.verdict == detect::SummaryVerdict::suspected) style = Style::yellow;
  if (analysis.summary.verdict == detect::SummaryVerdict::none_seen) style = Style::green;
  page.paragraph("", 0, text, style, text.size());
  if (analysis.proof) return;  // what one moment can't show is said below
  for (const auto& missing : not_checked_by_reason(analysis)) {
    std::string line;
    for (const auto& check : missing.checks) line += (line.empty() ? "" : ", ") + page.name(check_question(check), 60);
    if (!missing.reason.empty()) line += ": " + page.name(missing.reason);
    if (line.back() != '.') line += '.';
    page.paragraph("NOT CHECKED: ", 2, line, Style::yellow, 12);
  }
}

void print_finding(Page& page, const detect::Analysis& analysis, const detect::Finding& finding, std::size_t number) {
  const auto begin = fmt::format("{}. {}", number, verdict_word(finding));
  page.paragraph(pad_right(begin, kTextColumn), kTextColumn, page.name(finding_numbers(finding)),
                 verdict_style(finding), begin.size());
  print_places(page, finding);
  labelled(page, "since", since_text(analysis, finding));
  labelled(page, "why", evidence_text(page, finding));
  labelled(page, "fix", page.name(finding.advice, 1000));
  labelled(page, "look at", page.name(finding.look_at, 1000));
  labelled(page, "not known", page.name(finding.not_known, 1000));
  labelled(page, "id", finding.id);
}

}  // namespace gotrace::report
