#!/usr/bin/env python3
"""scripts/stress.sh: prove in a loop on programs that work all the time, and kill -9 of it at random moments."""
import collections
import random
import subprocess
import sys
import time

import corpus
import harness
import test_prove

UNHARMED_SECONDS = 10  # in which the kernel has let go all that a killed tracer held, and who is let go has a CPU
HEAP_MIB = 64


class Trouble(RuntimeError):
    pass


class Server:
    """A program that works without a rest, and says how much it has done."""

    def __init__(self, process):
        self.process = process
        self.check()

    def check(self):
        self.work()
        deadline = time.monotonic() + UNHARMED_SECONDS
        while self.work() == 0:  # it may have to wait for a CPU
            if time.monotonic() > deadline:
                raise Trouble("the server does nothing any more")
            time.sleep(0.02)

    def work(self):
        """Units since the last call."""
        self.process.stdin.write(b"work\n")
        self.process.stdin.flush()
        answer = harness.read_line(self.process.stdout, UNHARMED_SECONDS).split()
        if len(answer) != 3:
            raise Trouble("the server does not answer any more")
        return int(answer[0])


def check_unharmed(process):
    deadline = time.monotonic() + UNHARMED_SECONDS
    while not test_prove.untraced(process.pid):
        if time.monotonic() > deadline:
            raise Trouble("pid %d is still traced, or stands still, %d s later" % (process.pid, UNHARMED_SECONDS))
        time.sleep(0.02)
    if not harness.alive(process.pid):
        raise Trouble("pid %d has ended" % process.pid)


def kill_at_random(process, longest):
    """Whether it was killed before it had ended by itself."""
    command = [harness.TOOL, "prove", "-p", str(process.pid), "--max-pause", "5s"]
    prove = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(random.uniform(0, longest))
    running = prove.poll() is None
    prove.kill()
    prove.wait()
    return running


class Stress:
    def __init__(self, waiters, server):
        self.waiters, self.server = waiters, server
        self.false, self.runs, self.withdrawn = collections.Counter(), 0, 0
        self.kills, self.longest = 0, 0.5

    def prove(self):
        begin = time.monotonic()
        verdict = corpus.prove(self.waiters.pid)
        self.longest = time.monotonic() - begin
        self.runs += 1
        self.withdrawn += verdict.proof["off"] is not None
        self.false.update(verdict.false)

    def kill(self):
        process = random.choice([self.waiters, self.server.process])
        self.kills += kill_at_random(process, self.longest)
        for each in (self.waiters, self.server.process):
            check_unharmed(each)
        self.server.check()

    def run(self, kills, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.prove()
            left, share = kills - self.kills, (end - time.monotonic()) / seconds
            if left > 0 and left >= share * kills:  # evenly over the time
                self.kill()
        while self.kills < kills:
            self.kill()


def stress(version, kills, seconds):
    begin = time.monotonic()
    with corpus.running(version, "motion") as waiters, \
            harness.target("benchheap", version, arguments=(str(HEAP_MIB),), stdin=subprocess.PIPE) as server:
        one = Stress(waiters, Server(server))
        one.run(kills, seconds)
        woken, begun = corpus.woken(waiters)
    print("go %-5s %.1f minutes: %d runs of prove, %d false proofs, %d without an answer; killed %d times in the middle: each "
          "time both programs lived, untraced, and answered; correct ones woken %d of %d"
          % (version, (time.monotonic() - begin) / 60, one.runs, sum(one.false.values()), one.withdrawn, one.kills, woken, begun))
    if one.false:
        print("  FALSE: " + ", ".join("%s %d" % item for item in sorted(one.false.items())))
    sys.stdout.flush()
    return not one.false and woken == begun


def main():
    kills, minutes, versions = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:] or corpus.VERSIONS
    good = [stress(version, -(-kills // len(versions)), 60 * minutes / len(versions)) for version in versions]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
