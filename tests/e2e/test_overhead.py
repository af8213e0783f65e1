"""The budget of overhead holds whatever the target does, by what was counted; what was left out is said; and verdicts do
not rest on what a window hid."""
import threading
import unittest

import harness


class Busy:
    """benchwork, working all the time: at a rate that no machine reaches, as fast as it can; else at that rate."""

    def __init__(self, process):
        self.process, self.stop = process, threading.Event()
        self.thread = threading.Thread(target=self.work)

    def work(self):
        while not self.stop.is_set():
            self.process.stdin.write(b"run 200\n")
            self.process.stdin.flush()
            if not self.process.stdout.readline():
                return

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()


class Governor(unittest.TestCase):
    alone = True  # the target must have its core, or the rates that are forecast are not those of the work

    def report(self, mode, rate, version, *arguments):
        executable = harness.build("benchwork", version, "stripped")
        with harness.started([executable, mode, str(rate)], stdin=harness.subprocess.PIPE) as process, Busy(process):
            return harness.json_report("-p", process.pid, "--duration", "8s", *arguments)

    def probe(self, report, symbol):
        return next(probe for probe in report["sources"]["probes"] if probe["symbol"] == symbol)

    def check(self, report, budget):
        self.assertEqual(report["overhead"]["budget"], budget)
        self.assertLessEqual(report["overhead"]["estimated"], 1.25 * budget)
        self.assertNotIn("goroutine-stuck", [check["check"] for check in report["summary"]["not_checked"]])
        for probe in report["sources"]["probes"]:
            self.assertLessEqual(probe["attached_seconds"], probe["window_seconds"] + 0.01)
            if probe["state"] in ("windowed", "withheld"):
                self.assertTrue(probe["reason"])
                self.assertGreater(probe["would_cost_percent"], 0)

    def test_a_million_messages_a_second_are_foreseen(self):
        for version in ("1.19", "1.27"):
            report = self.report("pingpong", 1000000000, version)
            self.check(report, 0.01)
            parks = self.probe(report, "runtime.gopark")
            self.assertEqual((parks["state"], parks["hits"]), ("withheld", 0))
            self.assertGreater(parks["would_cost_percent"], 5)

    def test_every_allocation_of_a_million_is_not_worth_it_and_spans_are_counted_instead(self):
        report = self.report("allocs", 1000000, "1.24", "--probes", "allocs", "--max-overhead", "5%")
        self.check(report, 0.05)
        self.assertEqual(self.probe(report, "runtime.mallocgc")["state"], "withheld")
        self.assertGreater(self.probe(report, "runtime.(*mcache).refill")["hits"], 0)

    def test_half_a_million_births_a_second(self):
        report = self.report("spawns", 1000000000, "1.24", "--max-overhead", "20%")
        self.check(report, 0.20)
        self.assertIn(self.probe(report, "runtime.newproc")["state"], ("withheld", "windowed"))

    def test_what_is_cheap_is_attached_all_the_time(self):
        with harness.target("leakchan") as process:
            report = harness.json_report("-p", process.pid, "--duration", "8s")
        self.check(report, 0.01)
        births = self.probe(report, "runtime.newproc")
        self.assertEqual(births["state"], "on")
        self.assertGreater(births["attached_seconds"], 0.8 * births["window_seconds"])

    def test_every_allocation_is_counted_unasked_while_it_fits_and_only_then(self):
        quiet = self.report("allocs", 300, "1.24")
        every = self.probe(quiet, "runtime.mallocgc")
        self.assertEqual(every["state"], "on")
        self.assertGreater(every["hits"], 8 * 100)
        busy = self.report("allocs", 200000, "1.24")
        self.check(busy, 0.01)
        every = self.probe(busy, "runtime.mallocgc")
        self.assertEqual((every["state"], every["hits"]), ("withheld", 0))

    def test_no_budget_no_probe_and_the_leak_is_found_all_the_same(self):
        leak = harness.mark("leakchan", "LEAK")
        with harness.target("leakchan") as process:
            report = harness.json_report("-p", process.pid, "--duration", "10s", "--max-overhead", "0%")
            self.assertEqual(harness.code_differs(process.pid), [])
        self.assertEqual([finding["verdict"] for finding in report["findings"]], ["leaking"])
        self.assertTrue(harness.at(report["findings"][0]["where"], leak))
        self.assertEqual(report["overhead"]["estimated"] or 0, 0)


if __name__ == "__main__":
    unittest.main()
