#!/usr/bin/env python3
"""Judges what one test machine sent over its serial line: check.py VERSION CONSOLE-LOG SOURCE-OF-THE-TARGET.

Prints a line for each check, and last `N passed, N failed`."""
import base64
import collections
import gzip
import itertools
import json
import os
import re
import sys


LEAKED = 40  # goroutines, tests/targets/proofmutating


def marks(log):
    values = {}
    for line in log.splitlines():
        match = re.match(r"MARK (\w+) ?(.*)", line.strip())
        if match:
            values.setdefault(match.group(1), []).append(match.group(2))
    return values


def leak_line(source):
    with open(source) as file:
        return next((i, float(re.search(r"rate=(\S+)", line).group(1)))
                    for i, line in enumerate(file, 1) if "// LEAK" in line)


def unpacked(sent, name):
    return json.loads(gzip.decompress(base64.b64decode("".join(sent.get(name, [])))))


def proved(report):
    """{created by: goroutines} of what is proved."""
    counts = collections.Counter()
    for finding in report["findings"]:
        counts[finding["created_by"]["function"].split(".")[1]] += finding["count"]
    return counts


def proofs(sent):
    """The same for proofs: of a program whose heap is written to all the time."""
    exact = sent["exact"][0].split()
    yield "every page of the image is exact (pages, differing: %s; %s)" % (exact[:2], sent.get("differs")), \
        exact[0].isdigit() and int(exact[0]) > 5000 and exact[1] == "0"
    before, stopped = (int(number) for number in exact[2:4])
    yield "%.1f MiB copied while it ran, %.1f read again while it stood still, %.1f MiB compared" \
        % (before / 2**20, stopped / 2**20, int(exact[4]) / 2**20), 0 < stopped < before and int(exact[4]) > 0
    yield "foreseen: %s" % sent["forecast"], "the rest was copied while it ran" in sent["forecast"][0]
    early, late, on_disk = unpacked(sent, "proof"), unpacked(sent, "stopped"), unpacked(sent, "disk")
    for report in early, late, on_disk:
        counts, off = proved(report), report["proof"]["off"]
        yield "only those that leaked are proved (%s, off: %s, %s)" % (dict(counts), off, sent.get("prove")), \
            off is None and set(counts) == {"leakSend", "leakReceive"} and sum(counts.values()) >= 0.75 * LEAKED
    pauses = [report["proof"]["pause_seconds"] for report in (early, late)]
    read = [report["proof"]["copied_bytes"] for report in (early, late)]
    yield "it stood still for %.0f ms for %.1f MiB (%.0f ms foreseen), and %.0f ms for %.1f MiB when all is copied then" \
        % (pauses[0] * 1e3, read[0] / 2**20, early["proof"]["predicted_pause_seconds"] * 1e3, pauses[1] * 1e3,
           read[1] / 2**20), read[0] < read[1]
    yield "the program that was stopped lives", sent["mutating"] == ["alive"]


def checks(version, sent, source):
    """(what, holds) pairs; each is evaluated on its own."""
    report = unpacked(sent, "report")
    line, rate = leak_line(source)
    finding = next(iter(report["findings"]), {})
    where = finding.get("where") or {}
    growth = (finding.get("growth") or {}).get("per_second") or 0
    states = {probe["name"]: (probe["state"], probe["reason"]) for probe in report["sources"]["probes"]}
    yield "kernel is %s" % version, sent["kernel"][0].startswith(version + ".")
    yield "exit 0 (%s; %s)" % (sent["exit"], sent.get("stderr")), sent["exit"] == ["0"]
    yield "the target lives", sent["target"] == ["alive"]
    looks = report["sources"]["snapshots"]
    yield "one finding, leaking (%s; %s)" % ([f["title"] for f in report["findings"]], looks), \
        len(report["findings"]) == 1 and finding.get("verdict") == "leaking"
    yield "at the go statement (%s)" % where, \
        os.path.basename(where.get("file") or "") == os.path.basename(source) and where.get("line") == line
    yield "at %.1f/s (%.2f)" % (rate, growth), abs(growth - rate) <= 0.2 * rate
    yield "births and ends are on (%s)" % states, all(states.get(name, ("", ""))[0] == "on" for name in ("births", "ends"))


def main():
    version, path, source = sys.argv[1:]
    with open(path, errors="replace") as file:
        log = file.read()
    passed = failed = 0
    try:
        sent = marks(log)
        for what, holds in itertools.chain(checks(version, sent, source), proofs(sent)):
            print("%s %s: %s" % ("ok  " if holds else "FAIL", version, what))
            passed, failed = passed + bool(holds), failed + (not holds)
    except (KeyError, IndexError, TypeError, ValueError, OSError, EOFError) as error:
        print("FAIL %s: no usable report: %r; the end of the console:" % (version, error))
        print("\n".join("     " + line for line in log.splitlines()[-30:]))
        failed += 1
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
