// Sections of the text report, in the order in which they are printed (text.cpp).
#pragma once

#include "detect/analysis.h"
#include "report/page.h"

namespace gotrace::report {

void print_headline(Page& page, const detect::Analysis& analysis);
void print_finding(Page& page, const detect::Analysis& analysis, const detect::Finding& finding, std::size_t number);
// "LEAKING", "GROWING", "SUSPECTED", "PROVED", and its colour.
[[nodiscard]] std::string verdict_word(const detect::Finding& finding);
[[nodiscard]] Style verdict_style(const detect::Finding& finding);
// What grows or is stuck, in numbers: "goroutines +5.0/s (4.7-5.3): 4,212 alive, 33 MiB of stacks".
[[nodiscard]] std::string finding_numbers(const detect::Finding& finding);

// The four lines that say what "no leak" rests on.
void print_trends(Page& page, const detect::Analysis& analysis);
// Of a proof: who may still run, and why.
void print_reached(Page& page, const detect::Analysis& analysis);
void print_holders(Page& page, const detect::Analysis& analysis);
void print_groups(Page& page, const detect::Analysis& analysis);
void print_call_sites(Page& page, const detect::Analysis& analysis);
void print_creation_sites(Page& page, const detect::Analysis& analysis);

void print_memory(Page& page, const detect::Analysis& analysis);
void print_how_sure(Page& page, const detect::Analysis& analysis);
void print_target(Page& page, const detect::Analysis& analysis);
void print_next(Page& page, const detect::Analysis& analysis);

}  // namespace gotrace::report
