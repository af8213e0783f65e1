#!/usr/bin/env python3
"""scripts/proof.sh: recall and false proofs, version by version."""
import collections
import os
import sys

import corpus
import harness


def look(process, runs, false):
    """The last verdict, and the pauses in ms."""
    verdict, pauses = None, []
    for _ in range(runs):
        verdict = corpus.prove(process.pid)
        if verdict.proof["off"]:
            print("  nothing could be proved: %s" % verdict.proof["off"])
            false["(withdrawn or off)"] += 1
        false.update(verdict.false)
        pauses.append(verdict.proof["pause_seconds"] * 1e3)
    return verdict, pauses


def own_profile(version):
    """Of a process of its own: one that the runtime took for leaked, and that is woken, ends the program."""
    with harness.temporary_directory() as directory:
        path = os.path.join(directory, "leaks")
        with corpus.running(version, env={"LEAKPROFILE": path}) as process:
            return corpus.leak_profile(process, path)


def measure(version, runs):
    false = collections.Counter()
    with corpus.running(version) as process:
        verdict, pauses = look(process, runs, false)
        woken, begun = corpus.woken(process)
    with corpus.running(version, "motion") as process:
        in_motion, pauses_in_motion = look(process, runs, false)
    own = own_profile(version) if version == "1.27" else None
    leaking = sum(verdict.leaking.values())
    print("go %-5s proved %d of %d (%.1f %%) in %d shapes; false proofs %d in %d snapshots at rest and %d in motion "
          "(there proved %d of %d); pause %.1f ms median, %.1f in motion; correct ones woken %d of %d"
          % (version, sum(verdict.proved.values()), leaking, 100 * sum(verdict.proved.values()) / leaking,
             len(verdict.leaking), sum(false.values()), runs, runs, sum(in_motion.proved.values()),
             sum(in_motion.leaking.values()), sorted(pauses)[runs // 2], sorted(pauses_in_motion)[runs // 2], woken, begun))
    if verdict.missed():
        print("  missed: " + ", ".join("%s %d" % item for item in sorted(verdict.missed().items())))
    if false:
        print("  FALSE: " + ", ".join("%s %d" % item for item in sorted(false.items())))
    if own is not None:
        print("  the runtime's own profile: %d of %d, and %d that can still be woken: %s"
              % (sum(count for shape, count in own.items() if shape.startswith("leak")), leaking,
                 sum(count for shape, count in own.items() if not shape.startswith("leak")),
                 ", ".join("%s %d" % item for item in sorted(own.items()) if not item[0].startswith("leak")) or "none"))
    sys.stdout.flush()
    return sum(false.values())


def main():
    runs = int(os.environ.get("RUNS", "20"))
    false = sum(measure(version, runs) for version in sys.argv[1:] or corpus.VERSIONS)
    print("%d false proofs" % false)
    return 1 if false else 0


if __name__ == "__main__":
    sys.exit(main())
