"""From starting gotrace-leak to the first line of its report, with the shortest --duration there is, less that."""
import contextlib
import os
import subprocess
import time

import harness
import large
import measure
import results

SHORTEST, SHORTEST_SECONDS = "1ms", 0.001
LIMIT = 1.0  # s


@contextlib.contextmanager
def _large():
    with harness.started([large.build()]) as process:
        yield process


def _first_report(pid):
    """Seconds to the first byte of the report, seconds to the end, report."""
    begin = time.monotonic()
    with measure.tool(pid, duration=SHORTEST) as tool:
        first = os.read(tool.process.stdout.fileno(), 1)
        took = time.monotonic() - begin
        rest = tool.process.stdout.read()
        tool.process.wait(timeout=30)
        ended = time.monotonic() - begin
    if tool.process.returncode != 0 or not first + rest:
        raise RuntimeError("gotrace-leak ended with %d" % tool.process.returncode)
    return took - SHORTEST_SECONDS, ended, harness.json.loads(first + rest)


def run(context):
    small = ("small program", lambda: harness.target("benchgoroutines", arguments=("10",), stdin=subprocess.PIPE))
    many = ("100,000 goroutines", lambda: harness.target("benchgoroutines", arguments=("100000",), stdin=subprocess.PIPE))
    size = os.path.getsize(large.build()) / 1e6
    for name, start in (small, many, ("stripped binary of %.0f MB, 200,000 functions" % size, _large)):
        firsts, ends = [], []
        with start() as process:
            for _ in context.rounds(3 if context.quick else 9):
                first, end, report = _first_report(process.pid)
                if report["sources"]["snapshots"]["looks"] < 1:
                    raise RuntimeError("a report without a look")
                firsts.append(first)
                ends.append(end)
        context.add(results.sampled("attach", name + ": start to first line of the report", firsts, results.milliseconds,
                                    "< 1 s", lambda x: x < LIMIT))
        context.add(results.sampled("attach", name + ": start to exit", ends, results.milliseconds))
