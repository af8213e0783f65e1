"""tests/targets/proofcorpus: what `prove` says of it, counted by the names of its shapes."""
import collections
import contextlib
import os
import re
import signal
import time

import harness

VERSIONS = ["1.19", "1.22", "1.24", "1.26", "1.27"]


def shape_of(frame):
    """leakSend of main.leakSend.func1; None for what is no shape's."""
    match = re.match(r"main\.\(?\*?((?:leak|ok)\w+)", frame["function"]) if frame else None
    return match.group(1) if match else None


INSTANCES = 5  # of each shape
NOT_BEGUN = "leakIteratorNotBegun"


def shape_of_group(group):
    """Of an iterator the statement that makes it is in iter.Pull: its frames tell; of one that has not begun, nothing."""
    shape = shape_of(group["created_by"])
    if shape or not group["created_by"] or not group["created_by"]["function"].startswith("iter.Pull"):
        return shape
    own = [frame for frame in group["stack"] if frame["function"].startswith("main.")]
    shapes = list(filter(None, map(shape_of, own)))
    return shapes[-1] if shapes else None if own else NOT_BEGUN


class Verdict:
    """One report of prove: goroutines proved by shape, and how many of the leaking ones there are."""

    def __init__(self, report):
        self.report, self.proof = report, report["proof"]
        self.leaking, self.proved, self.false = (collections.Counter() for _ in range(3))
        groups = {group["id"]: group for group in report["goroutines"]["groups"]}
        for group in groups.values():
            shape = shape_of_group(group)
            if shape and shape.startswith("leak"):
                self.leaking[shape] += min(group["count"], INSTANCES) if shape == NOT_BEGUN else group["count"]
        for finding in report["findings"]:
            left = finding["count"]
            for each in finding["group_ids"]:  # several, where they wait for each other
                count = min(groups[each]["count"], left)
                left -= count
                shape = shape_of_group(groups[each])
                known = shape is not None and shape.startswith("leak")
                (self.proved if known else self.false)[shape or str(groups[each]["created_by"])] += count
        # Those that have not begun look alike, whether somebody holds them or not.
        if self.proved[NOT_BEGUN] > INSTANCES:
            self.false[NOT_BEGUN] = self.proved[NOT_BEGUN] - INSTANCES

    def missed(self):
        return {shape: count - self.proved[shape] for shape, count in self.leaking.items() if self.proved[shape] < count}


def prove(pid, *arguments):
    return Verdict(harness.json_report("prove", "-p", pid, "--max-pause", "2s", *arguments))


def leak_profile(process, path, seconds=20):
    """Goroutines by shape in the runtime's own profile of leaked ones; None where it has none."""
    os.kill(process.pid, signal.SIGUSR2)
    deadline = time.monotonic() + seconds
    while not os.path.exists(path) and time.monotonic() < deadline:
        time.sleep(0.05)
    if not os.path.exists(path):
        return None
    counts = collections.Counter()
    with open(path) as file:
        for block in file.read().split("\n\n"):
            head = re.match(r"goroutine \d+ \[([^\]]*)\]", block)
            created = re.search(r"^created by main\.(\w+)", block, re.M)
            if head and created and "leaked" in head.group(1):
                counts[created.group(1)] += 1
    return counts


def woken(process, seconds=30):
    """(woken, of all) of the correct goroutines, after SIGUSR1."""
    os.kill(process.pid, signal.SIGUSR1)
    line = harness.read_line(process.stdout, seconds).decode()
    match = re.match(r"WOKE (\d+) of (\d+)", line)
    return (int(match.group(1)), int(match.group(2))) if match else (0, -1)


@contextlib.contextmanager
def running(version, *arguments, variant="default", env=None):
    with harness.target("proofcorpus", version, variant, arguments=arguments, env=env) as process:
        yield process
