"""prove: leaked goroutines are proved, correct ones never; the target is not harmed."""
import json
import os
import re
import resource
import signal
import subprocess
import time
import unittest

import corpus
import harness
import test_kinds

LEAST_RECALL = 0.75  # what earlier calls have left in registers and on stacks leads to some
RUNS_IN_MOTION = 10


class Corpus(unittest.TestCase):
    def check(self, version, variant):
        with corpus.running(version, variant=variant) as process:
            verdict = corpus.prove(process.pid)
            self.assertIsNone(verdict.proof["off"])
            self.assertEqual(verdict.false, {})
            self.assertGreaterEqual(sum(verdict.proved.values()), LEAST_RECALL * sum(verdict.leaking.values()),
                                    verdict.missed())
            self.assertEqual(verdict.report["summary"]["verdict"], "leak")
            self.assertEqual({finding["verdict"] for finding in verdict.report["findings"]}, {"proved"})
            self.check_deadlock(verdict)
            for _ in range(4):
                if not self.wrong_paths(verdict):
                    break
                verdict = corpus.prove(process.pid)
                self.assertEqual(verdict.false, {})
            self.assertEqual(self.wrong_paths(verdict), {})
            woken, begun = corpus.woken(process)
        self.assertEqual(woken, begun, "the correct ones of the corpus are not all correct")

    def check_deadlock(self, verdict):
        """Two that hold a mutex each and wait for the other's are one finding, which says so."""
        if verdict.proved["leakDeadlockMixed"] < verdict.leaking["leakDeadlockMixed"]:
            return  # one of them was not proved
        findings = [finding for finding in verdict.report["findings"]
                    if corpus.shape_of(finding["created_by"]) == "leakDeadlockMixed"]
        if len(findings) == 1:  # what an earlier call left on a stack may tie two instances together
            self.assertIn("deadlock", [item["code"] for item in findings[0]["evidence"]])

    def wrong_paths(self, verdict):
        """Each is told by a shortest way to one that waits. What a thread has in its hands just now may make a shorter one:
        then another moment shows the usual one."""
        expected = {"okVariable": r"^package variable main\.kept|^a package variable",
                    "okTimerFunction": r"^a timer|^goroutine|^a thread",  # the timer's function; who armed it may still have it
                    "okStackOfSleeper": r"^goroutine \d+"}
        paths = {corpus.shape_of(group["created_by"]): group["path"] for group in verdict.proof["reached"]}
        return {shape: paths.get(shape) for shape, way in expected.items() if not re.match(way, paths.get(shape, ""))}

    def check_motion(self, version):
        with corpus.running(version, "motion") as process:
            for _ in range(RUNS_IN_MOTION):
                verdict = corpus.prove(process.pid)
                self.assertIsNone(verdict.proof["off"])
                self.assertEqual(verdict.false, {})
            self.assertTrue(harness.alive(process.pid))


VARIANTS = {"1.19": "stripped", "1.22": "pie-stripped", "1.24": "default", "1.26": "pie-stripped", "1.27": "stripped"}
for _version in corpus.VERSIONS:
    _name = _version.replace(".", "_")
    setattr(Corpus, "test_go" + _name, lambda self, v=_version: self.check(v, VARIANTS[v]))
    setattr(Corpus, "test_motion_go" + _name, lambda self, v=_version: self.check_motion(v))


class Cgo(unittest.TestCase):
    def check(self, version):
        with harness.target("proofcgo", version, "default") as process:
            for _ in range(4):  # what a thread has in its hands for a moment is not proved
                verdict = corpus.prove(process.pid)
                self.assertIsNone(verdict.proof["off"])
                self.assertEqual(verdict.false, {})
                if verdict.proved["leakBesideC"] >= 3:
                    break
            self.assertGreaterEqual(verdict.proved["leakBesideC"], 3)
            woken, begun = corpus.woken(process)
        self.assertEqual((woken, begun), (5, 5))

    def test_what_only_c_holds_is_not_proved_go1_19(self):
        self.check("1.19")

    def test_what_only_c_holds_is_not_proved_go1_27(self):
        self.check("1.27")


MIB = 1 << 20


class PartlyUsed(unittest.TestCase):
    """What small references keep is proved from a snapshot, in a small heap and in a large one; of its twin nothing is."""

    def check(self, case, version, variant, heap_mb=0):
        case = test_kinds.CASES[case]
        for tags in ("", "fixed"):
            with harness.target(case.target, version, variant, tags, arguments=case.arguments,
                                env={"HEAP_MB": str(heap_mb)}) as process, harness.temporary_directory() as directory:
                time.sleep(6)
                path = os.path.join(directory, "snapshot")
                trace = os.path.join(directory, "trace")
                report = harness.json_report("prove", "-p", process.pid, "--max-pause", "5s", "--snapshot", path,
                                             "--record", trace)
                again = harness.json_report("prove", path)
                recorded = harness.json_report("report", trace)
            self.assertIsNone(report["proof"]["off"])
            found = [(finding["kind"], finding["verdict"]) for finding in report["findings"]]
            self.assertEqual(found, [] if tags else [(case.kind, "proved")])
            self.assertEqual(again["findings"], report["findings"])
            self.assertEqual(recorded["findings"], report["findings"])

    def test_substring_go1_19(self):
        self.check("substring", "1.19", "pie-stripped")

    def test_substring_variable_go1_24_large_heap(self):
        self.check("substring_variable", "1.24", "default", heap_mb=500)

    def test_subslice_go1_27(self):
        self.check("subslice", "1.27", "pie-stripped")

    def test_elements_go1_24(self):
        self.check("elements", "1.24", "stripped")

    def test_queue_go1_24_large_heap(self):
        self.check("elements_pop", "1.24", "pie-stripped", heap_mb=500)

    def test_strings_go1_19(self):
        self.check("elements_strings", "1.19", "default")


class Retention(unittest.TestCase):
    """tests/targets/retainer: who holds what is known there."""

    def check(self, version, variant):
        with harness.target("retainer", version, variant) as process:
            entry, session, garbage = harness.read_line(process.stdout, 10).decode().split()
            report = harness.json_report("prove", "-p", process.pid, "--max-pause", "2s", "--why", entry)
            held = report["held_by"]
            self.assertIsNone(held["off"])
            self.check_retainers(held["retainers"], variant)
            self.check_way(held["why"], entry, 8 << 10, variant)
            self.check_types(process, version, session)
            self.check_errors(process, garbage)

    def check_retainers(self, retainers, variant):
        def bytes_of(kind, mib):
            """Of the retainer of this kind that is nearest to what is planted."""
            return min((r["bytes"] for r in retainers if r["kind"] == kind), key=lambda b: abs(b - mib * MIB))

        for kind, mib in (("package-variable", 48), ("package-variable", 8), ("shared", 16), ("goroutines", 12),
                          ("timers", 6)):
            self.assertAlmostEqual(bytes_of(kind, mib) / (mib * MIB), 1, delta=0.05, msg=(kind, mib, retainers))
        if variant == "default":
            names = {r["name"]: r["bytes"] for r in retainers}
            self.assertAlmostEqual(names["package variable main.cache"] / (48 * MIB), 1, delta=0.05)

        def held_in(function):
            return [r for r in retainers if r["held_at"] and r["held_at"]["function"] == function]

        # What is left in a register may lead to the channel of one or another: then that one is not proved.
        stuck = held_in("main.stuck")
        self.assertEqual(sum(r["goroutines"] for r in stuck), 8, retainers)
        self.assertGreaterEqual(sum(r["goroutines"] for r in stuck if r["proved"]), 6)
        self.assertAlmostEqual(sum(r["bytes"] for r in stuck) / (8 * MIB), 1, delta=0.05)
        self.assertEqual([r["goroutines"] for r in held_in("main.sleeper")], [1], retainers)

    def check_way(self, why, asked, least, variant):
        self.assertEqual((why["asked"], why["not"], len(why["ways"])), (asked, None, 1))
        way = why["ways"][0]
        self.assertTrue(least <= way["bytes"] <= least * 1.25 + 64, way)
        self.assertRegex(way["path"], r"^package variable main\.cache -> .*object" if variant == "default"
                         else r"^a package variable -> .*object")

    def check_types(self, process, version, session):
        """The runtime notes types from Go 1.22 on."""
        result = harness.run("prove", "-p", process.pid, "--max-pause", "2s", "--why", "main.session", "--format", "json")
        held = json.loads(result.stdout)["held_by"]
        if version == "1.19":
            self.assertEqual(result.returncode, 1)
            self.assertRegex(result.stderr, rb"--why main.session: no type of an object is known")
            self.assertIn("no type", held["why"]["not"])
            return
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(len(held["why"]["ways"]), 3)
        for way in held["why"]["ways"]:
            self.assertAlmostEqual(way["bytes"] / (2 * MIB), 1, delta=0.05)
            self.assertRegex(way["path"], r"package variable.* -> main\.session in an object of \d+ bytes$")
        types = {item["name"]: item for item in held["types"]}
        self.assertEqual(types["main.session"]["instances"], 4)
        self.assertAlmostEqual(types["main.session"]["bytes"] / (8 * MIB), 1, delta=0.05)

    def check_errors(self, process, garbage):
        for asked, text in ((garbage, rb"garbage|no object|no object there"), ("0x10", rb"no object of the Go heap"),
                            ("main.nothing", rb"no object of that type|no type of an object")):
            result = harness.run("prove", "-p", process.pid, "--max-pause", "2s", "--why", asked)
            self.assertEqual(result.returncode, 1)
            self.assertRegex(result.stderr, rb"--why %s: .*(%s)" % (asked.encode(), text))
            self.assertIn(b"HELD BY", result.stdout)

    def test_go1_19(self):
        self.check("1.19", "default")

    def test_go1_24(self):
        self.check("1.24", "default")

    def test_go1_27_stripped(self):
        self.check("1.27", "pie-stripped")

    def test_goroutines_only(self):
        with harness.target("retainer", "1.24", "default") as process:
            report = harness.json_report("prove", "-p", process.pid, "--max-pause", "2s", "--scope", "goroutines",
                                         "--threads", "1")
            self.assertIsNone(report["held_by"])
            self.assertGreaterEqual(report["proof"]["proved"], 6)
            for arguments in (("--scope", "all"), ("--threads", "0"), ("--scope", "goroutines", "--why", "main.x")):
                self.assertEqual(harness.run("prove", "-p", process.pid, *arguments).returncode, 2)

    def test_report_of_the_recording_is_the_same(self):
        with harness.target("retainer", "1.24", "default") as process, harness.temporary_directory() as directory:
            trace = os.path.join(directory, "p.gtl")
            live = harness.run("prove", "-p", process.pid, "--max-pause", "2s", "--why", "main.session", "--record", trace)
            self.assertEqual(live.returncode, 0, live.stderr)
            again = harness.run("report", trace)
        self.assertEqual(live.stdout, again.stdout)
        self.assertIn(b" %  package variable main.cache, ", live.stdout)


class Commands(unittest.TestCase):
    def test_report_of_the_recording_is_the_same(self):
        with corpus.running("1.24") as process, harness.temporary_directory() as directory:
            trace = os.path.join(directory, "p.gtl")
            live = harness.run("prove", "-p", process.pid, "--max-pause", "2s", "--record", trace)
            self.assertEqual(live.returncode, 0, live.stderr)
            again = harness.run("report", trace)
            self.assertEqual(os.stat(trace).st_mode & 0o777, 0o600)
        self.assertEqual(live.stdout, again.stdout)
        self.assertTrue(live.stdout.startswith(b"PROVED: "), live.stdout[:200])
        self.assertIn(b"It stood still for", live.stdout)

    def test_exit_codes(self):
        with corpus.running("1.24") as process:
            self.assertEqual(harness.run("prove", "-p", process.pid, "--max-pause", "2s", "--fail-on", "proved").returncode, 3)
        with harness.target("pool") as process:
            result = harness.run("prove", "-p", process.pid, "--max-pause", "2s", "--fail-on", "proved")
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertTrue(result.stdout.startswith(b"NOTHING PROVED of "), result.stdout[:200])

    def test_too_long_a_pause_is_refused_before_it_begins(self):
        with harness.target("pool") as process:
            result = harness.run("prove", "-p", process.pid, "--max-pause", "100us")
            self.assertEqual(result.returncode, 1)
            self.assertIn(b"it was not stopped; raise that to --max-pause", result.stderr)
            dry = harness.run("prove", "-p", process.pid, "--dry-run")
            self.assertEqual(dry.returncode, 0)
            self.assertIn(b"would stand still for about", dry.stdout)

    def test_iterators_that_nobody_stops_are_proved(self):
        with corpus.running("1.24", variant="pie-stripped") as process:
            verdict = corpus.prove(process.pid)
            for shape in ("leakIterator", "leakIteratorForgotten", "leakIteratorNotBegun", "leakIteratorInIterator"):
                self.assertGreaterEqual(verdict.proved[shape], 4, verdict.missed())
            self.assertEqual(verdict.false, {})
            finding = next(each for each in verdict.report["findings"]
                           if each["where"]["function"].startswith("main.leakIteratorForgotten.func"))
            self.assertEqual(finding["wait_reason"], "coroutine")
            self.assertIn("stop function that iter.Pull returns", finding["advice"])

    def test_what_its_copy_would_take_is_refused_when_that_is_not_free(self):
        def little():
            resource.setrlimit(resource.RLIMIT_AS, (450 << 20, 450 << 20))
        with harness.target("benchheap", arguments=["350"], stdin=subprocess.PIPE) as process:
            result = subprocess.run([harness.TOOL, "prove", "-p", str(process.pid), "--max-pause", "5s"],
                                    capture_output=True, preexec_fn=little)
            self.assertEqual(result.returncode, 1)
            self.assertEqual(result.stdout, b"")
            self.assertRegex(result.stderr.decode(), r"^gotrace-leak: pid %d \(.*\): the proof would take up to .* are free "
                             r"by the limit of its address space .*it was not stopped; .*--snapshot-dir DIR\n$" % process.pid)

    def test_the_copy_may_lie_on_disk(self):
        with harness.temporary_directory() as folder, harness.target("benchheap", arguments=["100"], stdin=subprocess.PIPE) as process:
            report = harness.json_report("prove", "-p", process.pid, "--max-pause", "5s", "--snapshot-dir", folder)
            self.assertIsNone(report["proof"]["off"])
            self.assertGreater(report["proof"]["marked_bytes"], 90 << 20)
            self.assertEqual(os.listdir(folder), [])
            bad = harness.run("prove", "-p", process.pid, "--snapshot-dir", folder + "/none")
            self.assertEqual(bad.returncode, 1)
            self.assertIn(b"cannot make a file for the copy of its memory in", bad.stderr)

    def test_a_debugger_in_the_way_is_named(self):
        with harness.target("pool") as process:
            pid = os.fork()
            if pid == 0:
                import ctypes
                libc = ctypes.CDLL(None)
                libc.ptrace(0x4206, ctypes.c_long(process.pid), None, None)  # PTRACE_SEIZE
                time.sleep(30)
                os._exit(0)
            try:
                time.sleep(0.5)
                result = harness.run("prove", "-p", process.pid)
                self.assertEqual(result.returncode, 1)
                self.assertIn(b"pid %d traces it already" % pid, result.stderr)
            finally:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)

    def test_killed_at_any_moment_it_leaves_the_target_running(self):
        with corpus.running("1.22", "motion") as process:
            for i in range(30):
                prove = subprocess.Popen([harness.TOOL, "prove", "-p", str(process.pid), "--max-pause", "2s"],
                                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                time.sleep(0.004 * i)
                prove.kill()
                prove.wait()
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline and not untraced(process.pid):
                time.sleep(0.05)
            self.assertTrue(untraced(process.pid))
            self.assertEqual(corpus.prove(process.pid).false, {})


def untraced(pid):
    """Every thread runs or sleeps, and nobody traces it."""
    for tid in os.listdir("/proc/%d/task" % pid):
        try:
            with open("/proc/%d/task/%s/status" % (pid, tid)) as file:
                fields = dict(line.split(":", 1) for line in file)
        except OSError:
            continue
        if fields["TracerPid"].strip() != "0" or fields["State"].split()[0] in "tT":
            return False
    return True


if __name__ == "__main__":
    unittest.main()
