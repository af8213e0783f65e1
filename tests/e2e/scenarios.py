"""The table of scripts/scenarios.sh: every case and its twin, over Go versions and build variants."""
import argparse
import concurrent.futures
import os
import sys

import harness
import test_kinds

HEAD = ["case", "Go", "variant", "found", "verdict", "line right?", "growth off by", "twin silent?"]


def cells_of(case, versions, variants):
    """The case's own versions, where it is not for all of them."""
    own = {version for version, _ in case.cells}
    if not own & set(versions):
        return [(version, variant) for version in sorted(own) for variant in variants]
    needed = [version for version in versions if case.cells is test_kinds.CELLS or version in own]
    return [(version, variant) for version in needed for variant in variants]


def found_cells(case, report):
    """found, verdict, line right?, growth off by; and whether all of it is as it should be."""
    findings = test_kinds.of_kind(report, case.kind)
    others = [finding["kind"] for finding in report["findings"] if finding["kind"] not in (case.kind, "growing-call-site")]
    if len(findings) != 1 or others:
        return [", ".join(finding["kind"] for finding in report["findings"]) or "nothing", "-", "-", "-"], False
    finding, place = findings[0], harness.mark(case.target, case.where)
    at = harness.at(finding["where"], place)
    if at:
        line = "yes"
    elif case.line_needed:
        line = "NO" if finding["where"] else "NOT KNOWN"
    else:
        line = "not known"
    off, near = "-", True
    if "rate" in place.values:
        share = finding["growth"]["per_second"] / place.rate - 1
        off, near = "%+.0f %%" % (100 * share), abs(share) <= case.tolerance
    return [case.kind, finding["verdict"], line, off], (at or not case.line_needed) and near


def run(name, version, variant):
    case = test_kinds.CASES[name]
    try:
        leaks, right = found_cells(case, test_kinds.look(case, version, variant, False))
        twin = test_kinds.look(case, version, variant, True)["findings"]
    except (AssertionError, RuntimeError, OSError) as error:
        return [name, version, variant, "FAILED: %s" % str(error).split("\n")[0][:60], "-", "-", "-", "-"], False
    silent = "yes" if not twin else "NO: " + ", ".join(finding["kind"] for finding in twin)
    return [name, version, variant, *leaks, silent], right and not twin


def print_table(rows, markdown):
    widths = [max(len(row[i]) for row in [HEAD] + rows) for i in range(len(HEAD))]
    edge = "| " if markdown else ""
    for i, row in enumerate([HEAD] + rows):
        print((edge + (" | " if markdown else "  ").join(cell.ljust(width) for cell, width in zip(row, widths)) +
               (" |" if markdown else "")).rstrip())
        if markdown and i == 0:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-j", "--jobs", type=int, default=3)
    parser.add_argument("--go", default="1.19,1.24,1.27")
    parser.add_argument("--variants", default="default,pie-stripped")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(test_kinds.CASES))
    arguments = parser.parse_args()
    for name in arguments.cases:
        if name not in test_kinds.CASES:
            parser.error("no such case: %s; there are %s" % (name, ", ".join(test_kinds.CASES)))
    work = [(name, version, variant) for name in arguments.cases or test_kinds.CASES
            for version, variant in cells_of(test_kinds.CASES[name], arguments.go.split(","),
                                             arguments.variants.split(","))]
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        results = list(pool.map(lambda cell: run(*cell), work))
    print_table([row for row, _ in results], arguments.markdown)
    wrong = sum(not right for _, right in results)
    print("%d cells right, %d wrong" % (len(results) - wrong, wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    sys.exit(main())
