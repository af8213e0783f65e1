"""--assist turns the target's own heap sampler on, says so, and puts it back, whatever ends us."""
import json
import os
import re
import signal
import time
import unittest

import harness


class Assist(unittest.TestCase):
    def rate_of(self, pid):
        """MemProfileRate as the tool reads it, with no write."""
        report = harness.json_report("-p", pid, "--duration", "1s", "--probes", "none")
        self.assertEqual(report["sources"]["writes"], [])
        return report["target"]["memory_profile_rate"]

    def check(self, version, variant):
        grows = harness.mark("leakmap", "GROWS")
        with harness.temporary_directory() as directory, harness.target("leakmap", version, variant, "noprofile") as process:
            trace = os.path.join(directory, "t.gtl")
            result = harness.run("-p", process.pid, "--duration", "12s", "--assist", "--probes", "none", "--format", "json",
                                 "--record", trace)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertRegex(result.stderr.decode(), r"--assist: writing 8 bytes to pid %d: runtime\.MemProfileRate at 0x[0-9a-f]+: "
                                                     r"0 -> 524288" % process.pid)
            self.assertEqual(self.rate_of(process.pid), 0)
            replayed = harness.run("report", trace, "--format", "json")
        self.assertEqual(replayed.stdout, result.stdout)
        report = json.loads(result.stdout)
        writes = report["sources"]["writes"]
        self.assertEqual([(write["what"], write["old"], write["new"], write["restored"]) for write in writes],
                         [("runtime.MemProfileRate", "0x0", "0x80000", True)])
        sites = [site for site in report["call_sites"] if site["trend"] == "growing"]
        found = [site for site in sites if any(harness.at(frame, grows) for frame in site["stack"])]
        self.assertEqual(len(found), 1, sites)
        # 1 MB/s is two samples a second: the rate is that of the size class, exact; whose it is, is what was sampled.
        self.assertAlmostEqual(found[0]["growth_bytes_per_second"], grows.rate, delta=0.3 * grows.rate)
        for site in report["call_sites"]:  # nothing is said of the time before
            self.assertIsNone(site["alloc_bytes"])

    def test_go1_19(self):
        self.check("1.19", "stripped")

    def test_go1_24(self):
        self.check("1.24", "pie-stripped")

    def test_go1_27(self):
        self.check("1.27", "stripped")

    def test_killed_it_is_put_back_all_the_same(self):
        with harness.target("leakmap", tags="noprofile") as process:
            with harness.running("-p", process.pid, "--duration", "60s", "--assist") as tool:
                deadline, said = time.monotonic() + 20, b""
                os.set_blocking(tool.stderr.fileno(), False)
                while b"524288" not in said and time.monotonic() < deadline:
                    said += tool.stderr.read() or b""
                    time.sleep(0.05)
                self.assertIn(b"524288", said)
                time.sleep(1)
                tool.send_signal(signal.SIGKILL)
                tool.wait()
            time.sleep(0.5)
            self.assertEqual(self.rate_of(process.pid), 0)
            self.assertEqual(harness.code_differs(process.pid), [])

    def test_two_signals_put_it_back(self):
        with harness.target("leakmap", tags="noprofile") as process:
            with harness.running("-p", process.pid, "--duration", "60s", "--assist") as tool:
                time.sleep(3)
                for _ in range(2):
                    tool.send_signal(signal.SIGTERM)
                tool.communicate(timeout=20)
            time.sleep(0.5)
            self.assertEqual(self.rate_of(process.pid), 0)

    def test_a_profile_that_is_on_is_left_alone(self):
        with harness.target("leakmap") as process:
            result = harness.run("-p", process.pid, "--duration", "1s", "--assist", "--format", "json")
        self.assertEqual(json.loads(result.stdout)["sources"]["writes"], [])
        self.assertRegex(result.stderr.decode(), r"is on already; nothing was written")

    def test_refused_with_a_name(self):
        for arguments in (("--name", "leakmap"), ("-p", "leakmap")):
            result = harness.run(*arguments, "--assist", "--duration", "1s")
            self.assertEqual(result.returncode, 2)
            self.assertEqual(len(result.stderr.decode().strip().split("\n")), 1)
            self.assertTrue(re.search(r"--assist.*-p PID", result.stderr.decode()), result.stderr)


if __name__ == "__main__":
    unittest.main()
