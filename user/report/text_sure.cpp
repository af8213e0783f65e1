// HOW SURE, TARGET and next: what the answer rests on, whom it is about, what to type now.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/units.h"
#include "report/facts.h"
#include "report/sections.h"

namespace gotrace::report {

namespace {

std::string looks_text(const detect::Analysis& analysis) {
  const auto& looks = analysis.snapshots.looks;
  if (looks == 0 || !analysis.goroutines.total) return "goroutines not read";
  return fmt::format("all {} goroutines read {} time{}", format_count(*analysis.goroutines.total), format_count(looks),
                     looks == 1 ? "" : "s");
}

std::string gc_text(const detect::Analysis& analysis) {
  if (!analysis.window.gc_cycles) return "GCs not counted";
  return fmt::format("{} GC{}", *analysis.window.gc_cycles, *analysis.window.gc_cycles == 1 ? "" : "s");
}

std::string heap_profile_text(const Page& page, const detect::Analysis& analysis) {
  const auto* source = find_source(analysis, "heap-profile");
  const bool ours = !analysis.writes.empty();
  if (ours && analysis.heap_profile.looks > 0)
    return "heap profile on since we turned it on, 1 in " +
           format_bytes(static_cast<double>(analysis.heap_profile.rate));
  if (analysis.heap_profile.looks > 0 && (source == nullptr || source->status == SourceStatus::on))
    return "heap profile on, 1 in " + format_bytes(static_cast<double>(analysis.heap_profile.rate));
  if (source != nullptr && !source->reason.empty()) return "heap profile off: " + page.name(source->reason);
  return "heap profile not read";
}

// The rungs of the ladder that told which line allocates.
std::string call_sites_text(const detect::Analysis& analysis) {
  std::vector<std::string> from;
  if (analysis.heap_profile.looks > 0) from.emplace_back("the heap profile");
  const auto hits = [&analysis](std::string_view symbol) {
    return std::any_of(analysis.probes.begin(), analysis.probes.end(), [symbol](const detect::ProbeSummary& probe) {
      return probe.state.symbol == symbol && probe.state.hits > 0;
    });
  };
  if (hits("runtime.mallocgc")) from.emplace_back("every allocation (mallocgc)");
  if (hits("runtime.(*mcache).refill") || hits("runtime.(*mcache).allocLarge"))
    from.emplace_back("one hit a span of allocations (refill)");
  return from.empty() ? "" : fmt::format("Call sites from {}.", fmt::join(from, " and "));
}

// What `prove` did, and what it took from the target.
std::string proof_text(const Proof& proof) {
  const auto time = [](std::uint64_t ns) { return format_duration(static_cast<double>(ns) / 1e9); };
  const auto size = [](std::uint64_t bytes) { return format_bytes(static_cast<double>(bytes)); };
  if (proof.copied_bytes == 0) return "It was not stopped.";
  const std::string read = size(proof.copied_bytes) + (proof.pause_ns == 0 ? " were read from a core" : " were read");
  // All that may hold pointers is needed: what was not read then was copied before.
  const std::string rest = proof.copied_bytes < proof.scannable_bytes ? ", the rest was copied while it ran" : "";
  const std::string how = proof.pause_ns == 0 ? read
                                              : fmt::format("It stood still for {} ({} foreseen) while {}{}",
                                                            time(proof.pause_ns), time(proof.predicted_ns), read, rest);
  return fmt::format(
      "{}: of {} of heap the {} that may hold pointers, stacks, and package variables. {} of {} goroutines wait where "
      "only another one can end it; what can still run leads to {} in {} objects. Marking took {}.",
      how, size(proof.heap_bytes), size(proof.scannable_bytes), format_count(proof.candidates),
      format_count(proof.goroutines), size(proof.marked_bytes), format_count(proof.marked_objects),
      time(proof.mark_ns));
}

std::string holders_text(const detect::Analysis& analysis) {
  if (!analysis.holders || !analysis.holders->off.empty()) return {};
  return fmt::format("Who holds the memory: {} more, over {} references.",
                     format_duration(static_cast<double>(analysis.holders->took_ns) / 1e9),
                     format_count(analysis.holders->references));
}

std::string probe_extent(const Page& page, const detect::ProbeSummary& probe) {
  const auto& state = probe.state;
  const auto extent =
      fmt::format("{} of {}", one_decimal(probe.attached_seconds), window_seconds(probe.window_seconds));
  std::string because;
  if (state.would_cost_percent)
    because = fmt::format("would cost {:.1f} %", *state.would_cost_percent);
  else if (!state.reason.empty())
    because = page.name(state.reason, 160);
  switch (state.status) {
    case ProbeStatus::on:
      return extent;
    case ProbeStatus::windowed:
      return extent + " (" + (because.empty() ? "budget" : because) + ")";
    case ProbeStatus::withheld:
      return "withheld" + (because.empty() ? "" : " (" + because + ")");
    case ProbeStatus::failed:
      break;
  }
  return "failed" + (because.empty() ? "" : " (" + because + ")");
}

// "births, ends 10.0 of 10.0 s; parks 1.2 of 10.0 s (budget)": probes of one name or one extent are said once.
std::string probes_text(const Page& page, const detect::Analysis& analysis) {
  std::vector<std::pair<std::string, std::vector<std::string>>> extents;
  for (const auto& probe : analysis.probes) {
    const auto extent = probe_extent(page, probe);
    const auto name = page.name(probe.state.name, 40);
    auto found = std::find_if(extents.begin(), extents.end(), [&](const auto& entry) { return entry.first == extent; });
    if (found == extents.end()) found = extents.insert(extents.end(), {extent, {}});
    auto& names = found->second;
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  if (extents.empty()) {
    const auto* source = find_source(analysis, "probes");
    return source != nullptr && !source->reason.empty() ? "off: " + page.name(source->reason) : "none";
  }
  std::vector<std::string> texts;
  for (const auto& [extent, names] : extents) texts.push_back(fmt::format("{} {}", fmt::join(names, ", "), extent));
  return fmt::format("{}", fmt::join(texts, "; "));
}

std::string lost_text(const detect::Analysis& analysis) {
  const auto found = analysis.loss.find("events");
  return "Events lost: " + format_count(found == analysis.loss.end() ? 0 : found->second) + ".";
}

std::string other_losses_text(const Page& page, const detect::Analysis& analysis) {
  std::vector<std::string> texts;
  for (const auto& [cause, count] : analysis.loss) {
    if (count == 0 || cause == "events") continue;
    auto words = page.name(cause, 60);
    std::replace(words.begin(), words.end(), '_', ' ');
    texts.push_back(fmt::format("{} {}", words, format_count(count)));
  }
  return texts.empty() ? "" : fmt::format("Also lost or not read: {}.", fmt::join(texts, ", "));
}

// What the cost is a share of: one CPU, or those that the target uses when they are more (or its quota, when less).
std::string base_text(const detect::Analysis& analysis) {
  double watched = 0;
  for (const auto& probe : analysis.probes) watched = std::max(watched, probe.window_seconds);
  if (!analysis.overhead->base_ns || watched <= 0) return "one CPU";
  const double cpus = static_cast<double>(*analysis.overhead->base_ns) / 1e9 / watched;
  if (cpus > 1.05) return fmt::format("the {:.1f} CPUs it uses", cpus);
  return cpus < 0.95 ? fmt::format("its quota of {:.2f} CPUs", cpus) : "one CPU";
}

std::string cost_text(const Page& page, const detect::Analysis& analysis) {
  if (!analysis.overhead) return "";
  const auto cost = probe_cost(analysis);
  const auto value =
      cost ? fmt::format("{:.1f} % of {}", *cost * 100, base_text(analysis)) : std::string("not measured");
  auto limit = page.name(analysis.session.max_overhead, 20);
  if (const auto share = parse_share(analysis.session.max_overhead)) limit = fmt::format("{:g} %", *share * 100);
  return fmt::format("Cost to the target: {}, limit {}.", value, limit);
}

// --assist: every byte that was written is said.
std::string writes_text(const Page& page, const detect::Analysis& analysis) {
  std::string text;
  for (const auto& write : analysis.writes) {
    if (!text.empty()) text += ' ';
    text += fmt::format("Written into the target (--assist): {} at {:#x}, {} -> {}; {}.", page.name(write.what, 60),
                        write.address, write.old_value, write.new_value,
                        write.restored ? "put back"
                        : analysis.end ? "NOT put back"
                                       : "to be put back at the end");
  }
  return text;
}

std::string gaps_text(const Page& page, const detect::Analysis& analysis) {
  std::string text;
  for (const auto& gap : analysis.gaps) {
    const double seconds = gap.end_ns > gap.begin_ns ? static_cast<double>(gap.end_ns - gap.begin_ns) / 1e9 : 0;
    if (!text.empty()) text += ' ';
    text += fmt::format("Not watched for {}: {}.", window_seconds(seconds), page.name(gap.reason, 160));
  }
  return text;
}

std::string layout_text(const Page& page, const detect::Analysis& analysis) {
  if (!analysis.target || analysis.target->layout_exact) return "";
  return fmt::format("{} is not in the layout table; the row of {} was used, after it validated against the process.",
                     page.name(analysis.target->go_version, 40), page.name(analysis.target->layout_row, 40));
}

std::string override_text(const detect::Analysis& analysis) {
  if (!analysis.recorded_stuck_after_ns) return "";
  return fmt::format("Judged with --stuck-after {}; recorded with {}.",
                     format_duration(static_cast<double>(analysis.session.stuck_after_ns) / 1e9),
                     format_duration(static_cast<double>(*analysis.recorded_stuck_after_ns) / 1e9));
}

// How much memory was searched for who holds what.
std::string retention_text(const detect::Analysis& analysis) {
  if (!analysis.retention) return "";
  const auto& search = *analysis.retention;
  const double share = search.to_read_bytes > 0
                           ? 100.0 * static_cast<double>(search.read_bytes) / static_cast<double>(search.to_read_bytes)
                           : 100;
  const bool all = search.read_bytes >= search.to_read_bytes;
  auto text =
      fmt::format("Retained memory: {} searches, {:.2g} s of our CPU; the last read {} of {} that may hold pointers",
                  search.searches, static_cast<double>(search.cpu_ns) / 1e9,
                  all ? std::string("all") : fmt::format("{:.0f} %", std::min(share, 99.0)),
                  format_bytes(static_cast<double>(search.to_read_bytes)));
  if (!all) text += ", in no order: what less than a few dozen objects do can be missed";
  if (search.stacks_followed < search.stacks)
    text +=
        fmt::format("; lists on {} of {} stacks", format_count(search.stacks_followed), format_count(search.stacks));
  return text + ".";
}

void print_source_states(Page& page, const detect::Analysis& analysis) {
  for (const auto& source : analysis.sources) {
    const bool said_already = source.name == "heap-profile" || (source.name == "probes" && analysis.probes.empty());
    if (source.status == SourceStatus::on || (said_already && source.fix.empty())) continue;
    auto text = fmt::format("{} {}: {}", page.name(source.name, 40), detect::to_string(source.status),
                            source.reason.empty() ? "no reason given" : page.name(source.reason));
    if (!source.fix.empty()) text += "; " + page.name(source.fix);
    page.paragraph(std::string(11, ' '), 13, text);
  }
}

void print_not_checked(Page& page, const detect::Analysis& analysis) {
  for (const auto& missing : not_checked_by_reason(analysis)) {
    std::string text;
    for (const auto& check : missing.checks) text += (text.empty() ? "" : ", ") + page.name(check, 40);
    text += ": NOT CHECKED: " + page.name(missing.reason);
    if (text.back() != '.') text += '.';
    if (!missing.fix.empty()) text += " To settle it: " + page.name(missing.fix) + ".";
    page.paragraph(std::string(11, ' '), 13, text);
  }
}

std::string join_sentences(const std::vector<std::string>& sentences) {
  std::string text;
  for (const auto& sentence : sentences) {
    if (sentence.empty()) continue;
    if (!text.empty()) text += ' ';
    text += sentence;
  }
  return text;
}

// A file name of our own making: what the target calls itself may be anything.
std::string trace_name(const detect::Analysis& analysis) {
  std::string name;
  for (const char c : base_name(analysis.target ? analysis.target->exe : "")) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
    if (plain && name.size() < 40) name += c;
  }
  return name.empty() || name.front() == '-' || name.front() == '.' ? "trace.gtl" : name + ".gtl";
}

void next_step(Page& page, bool& first, std::string_view why, std::string_view command) {
  page.paragraph(first ? "next   " : "       ", 9, std::string(why) + ":", Style::bold, first ? 4 : 0);
  page.command(9, command);
  first = false;
}

// What only a consistent copy of the memory tells; empty: nothing that was found needs one.
std::string why_prove(const detect::Analysis& analysis) {
  const auto found = [&analysis](std::string_view kind) {
    return std::ranges::any_of(analysis.findings, [kind](const detect::Finding& f) { return f.kind == kind; });
  };
  if (found("goroutine-leak")) return "can they ever wake, and what do they keep beside their stacks?";
  return found("growing-call-site") ? "who holds the memory?" : "";
}

}  // namespace

void print_how_sure(Page& page, const detect::Analysis& analysis) {
  page.blank();
  if (analysis.proof) {
    const auto caveats = join_sentences({other_losses_text(page, analysis), layout_text(page, analysis)});
    page.paragraph("HOW SURE   ", 11, join_sentences({proof_text(*analysis.proof), holders_text(analysis), caveats}),
                   Style::bold, 8);
    print_not_checked(page, analysis);
    print_source_states(page, analysis);
    return;
  }
  const auto probes =
      join_sentences({"Probes: " + probes_text(page, analysis) + ".", lost_text(analysis), cost_text(page, analysis)});
  const auto caveats =
      join_sentences({writes_text(page, analysis), other_losses_text(page, analysis), gaps_text(page, analysis),
                      layout_text(page, analysis), override_text(analysis)});
  const auto looks =
      fmt::format("{}; {}; {}.", looks_text(analysis), gc_text(analysis), heap_profile_text(page, analysis));
  page.paragraph("HOW SURE   ", 11,
                 join_sentences({looks, call_sites_text(analysis), retention_text(analysis), probes, caveats}),
                 Style::bold, 8);
  print_not_checked(page, analysis);
  print_source_states(page, analysis);
}

void print_target(Page& page, const detect::Analysis& analysis) {
  std::string text;
  if (!analysis.target) {
    text = "not known: the trace holds no description of it";
  } else {
    const auto& target = *analysis.target;
    text = page.name(target.exe) + (target.exe_deleted ? " (deleted or replaced on disk)" : "");
    text += ", " + page.name(target.go_version, 60);
    if (target.stripped) text += ", stripped";
    if (target.pie) text += ", PIE";
    if (target.cgo) text += ", cgo";
    if (!target.module.empty()) text += ", module " + page.name(target.module, 120);
    if (!target.version.empty()) text += " " + page.name(target.version, 60);
    if (const auto uptime = uptime_seconds(analysis)) text += ", up " + format_duration(*uptime);
    if (!target.container_id.empty())
      text += fmt::format("; pid {} in its container {}", target.ns_pid, page.name(target.container_id.substr(0, 12)));
  }
  text += "; " + utc_date_time(analysis.window.start_wall_ns) + ", " + window_seconds(analysis.window.seconds);
  if (!analysis.window.end)
    text += page.options().ongoing ? " so far" : "; the recording was cut short (no end record)";
  if (analysis.window.end == EndReason::target_exited) text += "; the target exited during the look";
  if (analysis.window.end == EndReason::signal) text += "; stopped by a signal";
  page.paragraph("TARGET     ", 11, text + ".", Style::bold, 6);
}

void print_next(Page& page, const detect::Analysis& analysis) {
  if (!analysis.target || target_exited(analysis)) return;
  const auto pid = analysis.target->pid;
  const auto file = trace_name(analysis);
  page.blank();
  bool first = true;
  if (!analysis.findings.empty() && !analysis.proof) {
    next_step(page, first, "keep evidence before a restart",
              fmt::format("gotrace-leak record -p {} --duration 60s -o {}", pid, file));
    next_step(page, first, "a finding in full: stack, evidence, members, from that recording",
              fmt::format("gotrace-leak explain {} {}", analysis.findings.front().id, file));
  }
  if (analysis.proof) {
    next_step(page, first, "what grows, and what else looks wrong", fmt::format("gotrace-leak -p {}", pid));
    return;
  }
  if (const auto why = why_prove(analysis); !why.empty())
    next_step(page, first, why + " Stops the process for a moment, 250 ms at most",
              fmt::format("gotrace-leak prove -p {}", pid));
  const bool unsure = analysis.summary.verdict != detect::SummaryVerdict::leak;
  if (unsure && analysis.window.seconds < 540)
    next_step(page, first, "a longer look sees slower leaks", fmt::format("gotrace-leak -p {} --duration 10m", pid));
  const bool troubled = std::any_of(analysis.sources.begin(), analysis.sources.end(),
                                    [](const SourceState& source) { return source.status == SourceStatus::failed; });
  if (troubled || !analysis.summary.not_checked.empty())
    next_step(page, first, "what works here, what does not, and what to do about it",
              fmt::format("gotrace-leak doctor -p {}", pid));
  if (first)
    next_step(page, first, "everything that was seen", fmt::format("gotrace-leak -p {} --all --duration 60s", pid));
}

}  // namespace gotrace::report
