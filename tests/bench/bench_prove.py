"""prove on heaps of 0.1, 1 and 4 GiB: its pause, how fast it marks, the memory it takes, and what a target that works all
the time loses while it is there."""
import re
import subprocess
import time

import harness
import measure
import results

SECTION = "prove"
MIB, GIB, GB = 2 ** 20, 2 ** 30, 1e9
LONGEST_PAUSE = "10s"  # nothing is refused here
IDLE_SECONDS = 3
ROOM = 4  # times the heap: the target's, the copy, and what is noted of the objects


def _free_bytes():
    with open("/proc/meminfo") as file:
        return int(re.search(r"MemAvailable:\s+(\d+) kB", file.read()).group(1)) * 1024


class Work:
    """Units a second of the target since the last call, how long that was, and the longest time without any."""

    def __init__(self, process):
        units, wall, longest = measure.ask(process, "work")
        self.seconds, self.longest = wall / 1e9, longest / 1e9
        self.rate = units / self.seconds


class Run:
    """One prove of a target: its report, what it took, and what the target did meanwhile and while nothing else ran."""

    def __init__(self, process, scope):
        Work(process)
        time.sleep(IDLE_SECONDS)
        self.idle = Work(process)
        with harness.running("prove", "-p", process.pid, "--max-pause", LONGEST_PAUSE, "--scope", scope, "-f", "json",
                             stderr=subprocess.DEVNULL) as prove:
            tool = measure.Tool(prove).finish(stop=False)
        self.work, self.rss = Work(process), tool.rss_bytes
        self.proof, self.held_by = tool.report["proof"], tool.report["held_by"]
        if self.proof["off"]:
            raise RuntimeError("nothing could be proved: %s" % self.proof["off"])

    def scannable(self):
        return self.proof["scannable_bytes"]

    def marking(self):
        return self.proof["scanned_bytes"] / GB / self.proof["mark_seconds"]


def _per_second(value):
    return "%.2f GB/s" % value


def _add(context, name, values, form, target="", met=None):
    context.add(results.sampled(SECTION, name, values, form, target, met))


def _pause_rows(context, name, runs):
    _add(context, name + "pause", [run.proof["pause_seconds"] for run in runs], results.milliseconds)
    _add(context, name + "pause, as predicted before", [run.proof["predicted_pause_seconds"] for run in runs],
         results.milliseconds)
    _add(context, name + "pause a GB that may hold pointers",
         [run.proof["pause_seconds"] * GB / run.scannable() for run in runs], results.milliseconds)


def _work_rows(context, name, what, runs):
    _add(context, name + what + ", target's work while it ran / before", [run.work.rate / run.idle.rate for run in runs],
         results.ratio)
    _add(context, name + what + ", longest time in which the target did nothing", [run.work.longest for run in runs],
         results.milliseconds)
    _add(context, name + what + ", start to end", [run.work.seconds for run in runs], results.milliseconds)


def _memory_row(context, name, what, runs, target="", met=None):
    _add(context, name + what + ", our peak RSS / bytes that may hold pointers", [run.rss / run.scannable() for run in runs],
         results.ratio, target, met)


def _retention_row(context, name, runs):
    off = next((run.held_by["off"] for run in runs if run.held_by["off"]), None)
    if off:
        context.add(results.Row(SECTION, name, "not told: " + off, "", "<= 3"))
        return
    _add(context, name, [run.held_by["seconds"] / run.proof["mark_seconds"] for run in runs], results.ratio, "<= 3",
         lambda x: x <= 3)


def _size_rows(context, mib, rounds):
    name = "%.1f GiB: " % (mib / 1024)
    plain, whole = [], []
    with harness.target("benchheap", arguments=(str(mib),), stdin=subprocess.PIPE) as process:
        for _ in context.rounds(rounds, 1):
            plain.append(Run(process, "goroutines"))
            whole.append(Run(process, "heap"))
    objects = whole[-1].proof["marked_objects"]
    context.add(results.Row(SECTION, name + "objects reached", "%.1f M" % (objects / 1e6),
                            "%.2f GB scanned" % (whole[-1].proof["scanned_bytes"] / GB), values={"objects": objects}))
    _pause_rows(context, name, plain + whole)
    _add(context, name + "goroutines only: marking", [run.marking() for run in plain], _per_second, ">= 1 GB/s",
         lambda x: x >= 1)
    _add(context, name + "with who holds what: marking", [run.marking() for run in whole], _per_second)
    _retention_row(context, name + "with who holds what: that / marking", whole)
    _memory_row(context, name, "goroutines only", plain, "<= 1.05", lambda x: x <= 1.05)
    _memory_row(context, name, "with who holds what", whole)
    _work_rows(context, name, "goroutines only", plain)
    _work_rows(context, name, "with who holds what", whole)


def run(context):
    for mib, rounds in ((102, 1),) if context.quick else ((102, 3), (1024, 2), (4096, 1)):
        if ROOM * mib * MIB > _free_bytes():
            context.add(results.Row(SECTION, "%.1f GiB" % (mib / 1024), "left out: %.1f GiB of memory are free, and it takes %.0f"
                                    % (_free_bytes() / GIB, ROOM * mib / 1024)))
        else:
            _size_rows(context, mib, rounds)
