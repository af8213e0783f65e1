"""Whatever happens to the tool or to the target, the target is left as it was and the report says what was seen."""
import json
import os
import random
import select
import signal
import subprocess
import time
import unittest

import harness


def uprobe_events():
    try:
        with open("/sys/kernel/tracing/uprobe_events") as file:
            return file.read()
    except OSError:
        return ""


def eventually(condition, seconds=5):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


class Killed(unittest.TestCase):
    alone = True

    def test_probes_are_there_and_go(self):
        with harness.target("leakchan") as process:
            with harness.running("-p", process.pid, "--duration", "8s", "--format", "json") as tool:
                self.assertTrue(harness.attached(process.pid), "no probe was ever seen in the target's code")
                output, error = tool.communicate(timeout=30)
            self.assertEqual(tool.returncode, 0, error)
            self.assertEqual(harness.code_differs(process.pid), [])
            self.assertEqual(uprobe_events(), "")
            self.assertIn("on", [probe["state"] for probe in json.loads(output)["sources"]["probes"]])

    def test_kill_9_at_any_moment(self):
        randomness = random.Random(3)
        with harness.target("leakchan", "1.27", "pie-stripped") as process:
            for _ in range(8):
                with harness.running("-p", process.pid, "--duration", "30s", stdout=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL) as tool:
                    time.sleep(randomness.uniform(0.05, 2.5))
                    tool.send_signal(signal.SIGKILL)
                    tool.wait()
                self.assertTrue(harness.alive(process.pid))
                self.assertTrue(eventually(lambda: not harness.code_differs(process.pid)),
                                "breakpoints remain in the target")
                self.assertEqual(uprobe_events(), "")
            with open("/proc/%d/status" % process.pid) as status:
                self.assertIn("TracerPid:\t0", status.read())


class OutOfMemory(unittest.TestCase):
    def test_the_kernel_would_kill_the_tool_first(self):
        with harness.target("pool") as process:
            with harness.running("-p", process.pid, "--duration", "2s") as tool:
                path = "/proc/%d/oom_score_adj" % tool.pid
                self.assertTrue(eventually(lambda: open(path).read().strip() == "1000"))
                tool.communicate(timeout=30)
            with open("/proc/%d/oom_score_adj" % process.pid) as file:
                self.assertNotEqual(file.read().strip(), "1000")


class TargetEnds(unittest.TestCase):
    def check(self, number):
        with harness.target("leakchan") as process:
            with harness.running("-p", process.pid, "--duration", "30s", "--format", "json") as tool:
                time.sleep(5)
                process.send_signal(number)
                begin = time.monotonic()
                output, error = tool.communicate(timeout=20)
                self.assertLess(time.monotonic() - begin, 5)
        self.assertEqual(tool.returncode, 0, error)
        report = json.loads(output)
        self.assertEqual(report["window"]["end"], "target-exited")
        self.assertTrue(report["window"]["complete"])
        self.assertGreaterEqual(report["goroutines"]["total"], 10000)

    def test_killed(self):
        self.check(signal.SIGKILL)

    def test_terminated(self):
        self.check(signal.SIGTERM)

    def test_the_text_says_so(self):
        with harness.target("leakchan") as process:
            with harness.running("-p", process.pid, "--duration", "30s") as tool:
                time.sleep(4)
                process.send_signal(signal.SIGKILL)
                output, error = tool.communicate(timeout=20)
        self.assertEqual(tool.returncode, 0, error)
        self.assertRegex(output.decode(), r"(?i)(exited|ended|gone|died)")


class Signals(unittest.TestCase):
    def interrupted(self, number, *arguments):
        with harness.target("leakchan") as process:
            with harness.running("-p", process.pid, "--duration", "60s", *arguments) as tool:
                time.sleep(4)
                tool.send_signal(number)
                output, error = tool.communicate(timeout=20)
            self.assertTrue(harness.alive(process.pid))
            self.assertEqual(harness.code_differs(process.pid), [])
        return tool.returncode, output, error

    def check(self, number):
        code, output, error = self.interrupted(number, "--format", "json")
        self.assertEqual(code, 0, error)
        report = json.loads(output)
        self.assertEqual(report["window"]["end"], "signal")
        self.assertLess(report["window"]["seconds"], 20)

    def test_sigint(self):
        self.check(signal.SIGINT)

    def test_sigterm(self):
        self.check(signal.SIGTERM)

    def test_sighup(self):
        self.check(signal.SIGHUP)

    def test_exit_is_that_of_a_full_run(self):
        code, output, error = self.interrupted(signal.SIGINT, "--format", "json", "--fail-on", "any")
        expected = {"leak": 3, "suspected": 3, "insufficient-data": 4, "none-seen": 0}
        self.assertEqual(code, expected[json.loads(output)["summary"]["verdict"]], error)

    def test_twice_is_at_once(self):
        with harness.target("leakchan") as process:
            with harness.running("-p", process.pid, "--duration", "60s") as tool:
                time.sleep(3)
                for _ in range(2):
                    tool.send_signal(signal.SIGTERM)
                tool.communicate(timeout=10)
            # The second may come when all is done already: then the exit is that of a full run.
            self.assertIn(tool.returncode, (0, 128 + signal.SIGTERM))
            self.assertTrue(eventually(lambda: not harness.code_differs(process.pid)))

    def test_sigusr1_reports_and_goes_on(self):
        with harness.target("leakchan") as process:
            with harness.running("-p", process.pid, "--duration", "8s") as tool:
                time.sleep(3)
                tool.send_signal(signal.SIGUSR1)
                ready, _, _ = select.select([tool.stdout], [], [], 3)
                self.assertTrue(ready, "no report came while it runs")
                self.assertIsNone(tool.poll())
                output, error = tool.communicate(timeout=30)
        self.assertEqual(tool.returncode, 0, error)
        self.assertEqual(output.decode().count("pid %d)" % process.pid), 2, output.decode())

    def test_sigtstp_leaves_the_target_and_the_gap_is_reported(self):
        with harness.target("leakchan") as process:
            with harness.running("-p", process.pid, "--duration", "10s", "--format", "json") as tool:
                self.assertTrue(harness.attached(process.pid))
                tool.send_signal(signal.SIGTSTP)
                self.assertTrue(eventually(lambda: not harness.code_differs(process.pid)), "probes stay while stopped")
                time.sleep(2)
                tool.send_signal(signal.SIGCONT)
                output, error = tool.communicate(timeout=30)
        self.assertEqual(tool.returncode, 0, error)
        self.assertEqual(len(json.loads(output)["sources"]["gaps"]), 1)


class ClosedOutput(unittest.TestCase):
    def test_before_the_report_is_141(self):
        with harness.target("leakchan") as process:
            reader, writer = os.pipe()
            with harness.running("-p", process.pid, "--duration", "3s", stdout=writer) as tool:
                os.close(writer)
                os.close(reader)
                _, error = tool.communicate(timeout=20)
            self.assertEqual(tool.returncode, 141, error)
            self.assertEqual(harness.code_differs(process.pid), [])


if __name__ == "__main__":
    unittest.main()
