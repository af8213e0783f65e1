"""The table of scripts/scenarios.sh: every case and its twin, over Go versions and build variants."""
import argparse
import concurrent.futures
import json
import os
import sys

import harness
import test_kinds

HEAD = ["case", "Go", "variant", "found", "verdict", "line right?", "growth off by", "twin silent?"]


def cells_of(case, versions, variants):
    """The case's own versions, where it is not for all of them."""
    if case.cells in (test_kinds.CELLS, test_kinds.WIDE):
        needed = versions
    else:
        own = {version for version, _ in case.cells}
        needed = [version for version in versions if version in own]
    return [(version, variant) for version in needed for variant in variants]


def found_cells(case, report):
    """found, verdict, line right?, growth off by; and whether all of it is as it should be."""
    findings = test_kinds.of_kind(report, case.kind)
    kinds = [finding["kind"] for finding in report["findings"]]
    if len(findings) != 1 or set(kinds) - {case.kind, "growing-call-site"}:
        return [", ".join(kinds) or "nothing", "-", "-", "-"], False
    finding, place = findings[0], harness.mark(case.target, case.where)
    at = harness.at(finding["where"], place)
    if at:
        line = "yes"
    elif case.line_needed:
        line = "NO" if finding["where"] else "NOT KNOWN"
    else:
        line = "not known"
    off, near = "-", True
    if "rate" in place.values and case.grows and not finding["growth"]:
        off, near = "NO GROWTH", False
    elif "rate" in place.values and case.grows:
        share = finding["growth"]["per_second"] / place.rate - 1
        off, near = "%+.0f %%" % (100 * share), abs(share) <= case.tolerance
    return [case.kind, finding["verdict"], line, off], (at or not case.line_needed) and near


def run(name, version, variant, duration):
    case = test_kinds.CASES[name]
    try:
        report = test_kinds.look(case, version, variant, False, duration)
        if version in case.absent:
            right = not report["findings"]
            leaks = ["nothing: no leak here" if right else "NO LEAK HERE", "-", "-", "-"]
        else:
            leaks, right = found_cells(case, report)
        twin = test_kinds.look(case, version, variant, True, duration)["findings"]
    except (AssertionError, RuntimeError, OSError) as error:
        return [name, version, variant, "FAILED: %s" % str(error).split("\n")[0][:60], "-", "-", "-", "-"], False
    silent = "yes" if not twin else "NO: " + ", ".join(finding["kind"] for finding in twin)
    return [name, version, variant, *leaks, silent], right and not twin


def of(right, count):
    return "%d of %d" % (right, count) if count else "-"


def summary_rows(rows):
    """One row a case, as README has them: of all its cells."""
    result = []
    for name in dict.fromkeys(row[0] for row in rows):
        case, cells = test_kinds.CASES[name], [row for row in rows if row[0] == name]
        leaks = [row for row in cells if row[1] not in case.absent]
        found = sum(row[3] == case.kind for row in leaks)
        lines = sum(row[5] == "yes" for row in leaks)
        off = [abs(int(row[6].split()[0])) for row in leaks if row[6].endswith("%")]
        verdicts = {row[4] for row in leaks} - {"-"}
        kind = "`%s`%s" % (case.kind, " (suspected)" if verdicts == {"suspected"} else "")
        result.append([case.what, kind, ", ".join(sorted({row[1] for row in leaks})), of(found, len(leaks)),
                       of(lines, len(leaks)) if case.line_needed or lines else "not known",
                       "%d %%" % max(off) if off else "-", of(sum(row[7] == "yes" for row in cells), len(cells))])
    return result


SUMMARY_HEAD = ["leak", "found as", "Go", "found", "right line", "growth off by at most", "twin silent"]


def print_table(head, rows, markdown):
    widths = [max(len(row[i]) for row in [head] + rows) for i in range(len(head))]
    edge = "| " if markdown else ""
    for i, row in enumerate([head] + rows):
        print((edge + (" | " if markdown else "  ").join(cell.ljust(width) for cell, width in zip(row, widths)) +
               (" |" if markdown else "")).rstrip())
        if markdown and i == 0:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-j", "--jobs", type=int, default=3)
    parser.add_argument("--go", default="1.19,1.24,1.27")
    parser.add_argument("--variants", default="default,pie-stripped")
    parser.add_argument("--heap", type=int, default=0, help="MB of live heap beside the leak")
    parser.add_argument("--duration", default="10s", help="of each look; a large heap needs two collections in it")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--save", metavar="FILE", help="add the rows to FILE, one JSON list a line")
    parser.add_argument("--summary", metavar="FILE", help="run nothing: the table of README, from rows that were saved")
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(test_kinds.CASES))
    arguments = parser.parse_args()
    for name in arguments.cases:
        if name not in test_kinds.CASES:
            parser.error("no such case: %s; there are %s" % (name, ", ".join(test_kinds.CASES)))
    if arguments.summary:
        with open(arguments.summary) as file:
            print_table(SUMMARY_HEAD, summary_rows([json.loads(line) for line in file]), True)
        return 0
    os.environ["HEAP_MB"] = str(arguments.heap)  # of the targets
    work = [(name, version, variant) for name in arguments.cases or test_kinds.CASES
            for version, variant in cells_of(test_kinds.CASES[name], arguments.go.split(","),
                                             arguments.variants.split(","))]
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        results = list(pool.map(lambda cell: run(*cell, arguments.duration), work))
    print_table(HEAD, [row for row, _ in results], arguments.markdown)
    if arguments.save:
        with open(arguments.save, "a") as file:
            file.writelines(json.dumps(row) + "\n" for row, _ in results)
    wrong = sum(not right for _, right in results)
    print("%d cells right, %d wrong" % (len(results) - wrong, wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    sys.exit(main())
