#!/usr/bin/env python3
"""Judges what one test machine sent over its serial line: check.py VERSION CONSOLE-LOG SOURCE-OF-THE-TARGET.

Prints a line for each check, and last `N passed, N failed`."""
import base64
import gzip
import json
import os
import re
import sys


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


def checks(version, sent, source):
    """(what, holds) pairs; each is evaluated on its own."""
    report = json.loads(gzip.decompress(base64.b64decode("".join(sent.get("report", [])))))
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
        for what, holds in checks(version, marks(log), source):
            print("%s %s: %s" % ("ok  " if holds else "FAIL", version, what))
            passed, failed = passed + bool(holds), failed + (not holds)
    except (KeyError, ValueError, OSError, EOFError) as error:
        print("FAIL %s: no usable report: %r; the end of the console:" % (version, error))
        print("\n".join("     " + line for line in log.splitlines()[-30:]))
        failed += 1
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
